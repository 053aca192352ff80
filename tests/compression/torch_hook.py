"""What PyTorch's PowerSGD hook makes of given gradients. For a Python that has torch 1.13:

    python3 tests/compression/torch_hook.py OUT.npz

Written are, for 1 to 4 workers, the first Q of each matrix and the means after some steps. The
gradients are those of ``gradients``, for our side to use too.
"""

import os
import sys
import tempfile

import numpy as np

SHAPES = {"dense": (20, 15), "convolution": (12, 4, 3, 3), "bias": (7,)}
RANK, WHOLE, STEPS, KEPT = 2, 2, 12, (3, 12)  # the hook wants two whole steps at least


def gradients(worker, step):
    """A worker's gradients in a step, float32: what all have in common, and noise of its own."""
    common = np.random.default_rng(5)
    own = np.random.default_rng([worker, step])
    return {
        name: (common.standard_normal(shape) + 0.5 * own.standard_normal(shape)).astype("f4")
        for name, shape in SHAPES.items()
    }


def work(worker, workers, meeting, out):
    """Be one worker; the first writes."""
    import torch
    import torch.distributed as dist
    from torch.distributed.algorithms.ddp_comm_hooks import powerSGD_hook

    dist.init_process_group("gloo", f"file://{meeting}", rank=worker, world_size=workers)
    torch.set_num_threads(1)

    class Given(torch.nn.Module):
        """A loss whose gradients are what is handed in."""

        def __init__(self):
            super().__init__()
            self.values = torch.nn.ParameterDict(
                {name: torch.nn.Parameter(torch.zeros(shape)) for name, shape in SHAPES.items()}
            )

        def forward(self, handed_in):
            return sum((self.values[name] * handed_in[name]).sum() for name in SHAPES)

    model = torch.nn.parallel.DistributedDataParallel(Given())
    state = powerSGD_hook.PowerSGDState(
        None,
        RANK,
        start_powerSGD_iter=WHOLE,
        min_compression_rate=1,
        use_error_feedback=True,
        warm_start=True,
        random_seed=0,
    )
    model.register_comm_hook(state, powerSGD_hook.powerSGD_hook)
    drawn, draw = [], torch.randn

    def recording(*arguments, **keywords):
        drawn.append(draw(*arguments, **keywords))
        return drawn[-1]

    torch.randn = recording
    found = {}
    for step in range(1, STEPS + 1):
        model.zero_grad()
        given = {name: torch.from_numpy(array) for name, array in gradients(worker, step).items()}
        model(given).backward()
        if step in KEPT:
            for name, value in model.module.values.items():
                found[f"{workers}/{step}/{name}"] = value.grad.numpy().copy()
    columns = {int(np.prod(shape[1:])): name for name, shape in SHAPES.items() if len(shape) > 1}
    for q in drawn:
        q = q.reshape(-1, RANK)
        found[f"{workers}/start/{columns[len(q)]}"] = q.T.numpy().copy()
    if worker == 0:
        np.savez(out, **found)
    dist.barrier()


def main(out):
    """Let 1 to 4 workers meet in turn."""
    import multiprocessing

    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for workers in range(1, 5):
            meeting, part = f"{folder}/meeting-{workers}", f"{folder}/{workers}.npz"
            context = multiprocessing.get_context("spawn")
            team = [
                context.Process(target=work, args=(worker, workers, meeting, part))
                for worker in range(workers)
            ]
            for one in team:
                one.start()
            for one in team:
                one.join()
            assert all(one.exitcode == 0 for one in team)
            found |= dict(np.load(part))
    np.savez(out, **found)


if __name__ == "__main__":
    main(sys.argv[1])
