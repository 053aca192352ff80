"""Times PyTorch's PowerSGD hook over gloo, as JSON, for a Python that has torch 1.13 (Debian's
python3-torch), without any of hpcpca: the same matrices as ``compression_step``.
"""

import json
import multiprocessing
import os
import sys
import tempfile
import time
from statistics import median


def work(worker, workers, meeting, words):
    """Be one worker; the first prints."""
    import torch
    import torch.distributed as dist
    from torch.distributed.algorithms.ddp_comm_hooks import powerSGD_hook

    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{meeting}", rank=worker, world_size=workers)
    torch.manual_seed(worker)
    n, m, count = words["n"], words["m"], words["count"]
    given = [torch.randn(n, m) for _ in range(count)]

    class Given(torch.nn.Module):
        """A loss whose gradients are what is handed in."""

        def __init__(self):
            super().__init__()
            self.values = torch.nn.ParameterList(
                [torch.nn.Parameter(torch.zeros(n, m)) for _ in range(count)]
            )

        def forward(self, matrices):
            return sum((value * matrix).sum() for value, matrix in zip(self.values, matrices))

    model = torch.nn.parallel.DistributedDataParallel(Given(), bucket_cap_mb=1 << 14)
    state = powerSGD_hook.PowerSGDState(
        None, words["rank"], start_powerSGD_iter=2, min_compression_rate=1, random_seed=0
    )
    seconds = []

    def hook(state, bucket):
        dist.barrier()
        begun = time.perf_counter()
        future = powerSGD_hook.powerSGD_hook(state, bucket)
        future.wait()
        seconds.append(time.perf_counter() - begun)
        return future

    model.register_comm_hook(state, hook)
    for _ in range(words["runs"] + 4):  # two go whole, and one is the first that does not
        model.zero_grad()
        model(given).backward()
    found = [None] * workers
    dist.all_gather_object(found, seconds[4:])
    if worker == 0:
        print(json.dumps({"step": median(map(max, zip(*found)))}))


if __name__ == "__main__":
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    words = json.loads(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        context = multiprocessing.get_context("spawn")
        team = [
            context.Process(target=work, args=(i, words["ranks"], f"{folder}/meeting", words))
            for i in range(words["ranks"])
        ]
        for one in team:
            one.start()
        for one in team:
            one.join()
    sys.exit(max(one.exitcode for one in team))
