"""Trains the perceptron by PyTorch's DistributedDataParallel over gloo, with its own PowerSGD hook
or without, for a Python that has torch 1.13 (Debian's python3-torch), without any of hpcpca:
``torch_training.py JSON``; prints JSON.
"""

import json
import multiprocessing
import os
import sys
import time

import numpy as np


def work(worker, words):
    """Be one worker; the first prints."""
    import torch
    import torch.distributed as dist
    from torch.distributed.algorithms.ddp_comm_hooks import powerSGD_hook

    torch.set_num_threads(1)
    folder, workers, batch = words["folder"], words["workers"], words["batch"]
    dist.init_process_group("gloo", f"file://{folder}/meeting", rank=worker, world_size=workers)
    given = np.load(f"{folder}/given.npz")
    images, others = (
        torch.from_numpy(given[name]).float() / 255 for name in ("images", "other images")
    )
    labels, answers = (torch.from_numpy(given[name]).long() for name in ("labels", "other labels"))
    layers = []
    for number in (1, 2, 3):
        start = given[f"dense {number}"]
        layer = torch.nn.Linear(start.shape[1], start.shape[0])
        layer.weight.data = torch.from_numpy(start)
        layer.bias.data.zero_()
        layers += [layer, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    model = torch.nn.parallel.DistributedDataParallel(model, bucket_cap_mb=1 << 14)
    numbers = sum(each.numel() for each in model.parameters())
    state = None
    if words["rank"]:
        state = powerSGD_hook.PowerSGDState(
            None,
            words["rank"],
            start_powerSGD_iter=words["start"],
            min_compression_rate=1,
            random_seed=0,
        )
        model.register_comm_hook(state, powerSGD_hook.powerSGD_hook)
    optimiser = torch.optim.SGD(model.parameters(), lr=1.0, momentum=words["momentum"])
    step, spent, rates, measured = 0, 0.0, given["rates"], []
    for order in given["orders"]:
        begun = time.perf_counter()
        for first in range(0, len(order) - batch * workers + 1, batch * workers):
            if step == len(rates):
                break
            rows = order[first + worker * batch : first + (worker + 1) * batch]
            for group in optimiser.param_groups:
                group["lr"] = float(rates[step])
            optimiser.zero_grad()
            outputs = model(images[rows])
            torch.nn.functional.cross_entropy(outputs, labels[rows]).backward()
            optimiser.step()
            step += 1
        spent += time.perf_counter() - begun
        with torch.no_grad():
            right = (model.module(others).argmax(dim=1) == answers).float().mean()
        measured.append(100 * float(right))
    sent = numbers
    if state:
        sent = (words["start"] * numbers + state.total_numel_after_compression) / step
    if worker == 0:
        print(json.dumps({"measure": measured, "sent": 4 * sent, "seconds": spent / step}))


if __name__ == "__main__":
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    words = json.loads(sys.argv[1])
    context = multiprocessing.get_context("spawn")
    team = [context.Process(target=work, args=(i, words)) for i in range(words["workers"])]
    for one in team:
        one.start()
    for one in team:
        one.join()
    sys.exit(max(one.exitcode for one in team))
