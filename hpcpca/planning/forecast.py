"""What a job will take, in lines of text, before it runs; and the batch file that runs it."""

import math
from dataclasses import dataclass

from ..operators.cost import as_planned
from ..units import format_seconds, format_size
from .sbatch import batch_file
from .traffic import ritz_round, sampled_round, vectors_round, window_round

START_SECONDS = 0.35  # interpreter, libraries, MPI: per node, all ranks at once
# of kernels, once, per type that products may be in (measured: 12 to 14 of two, 5 to 7 of one)
COMPILE_SECONDS = 7
LATENCY = 20e-6  # seconds of a collective per doubling of ranks
COLLECTIVES = 14  # of a round of the Ritz exchange, which sweeps twice to orthonormalise


@dataclass(frozen=True)
class Cluster:
    """``nodes`` that are alike, with so many bytes a second between two ranks of them; ``is_warm``
    if kernels are compiled there already.
    """

    nodes: int
    network: float
    is_warm: bool = True


def exchange_bytes(job, plan, local_steps=1):
    """Bytes exchanged in a round with all columns active, history half of what is expected; on
    mini-batches those of the Ritz exchange, the most.
    """
    if job.batch_rows:
        return sampled_round(job.ranks, job.d, job.panel)
    if job.ritz:
        basis = min(plan.basis, job.passes * job.panel) // 2
        return ritz_round(job.ranks, plan.shards, job.d, job.panel, job.panel, basis=basis)
    if job.private:
        return window_round(job.ranks, job.d, job.panel, images=job.private > 1)
    sizes = job.ranks, plan.shards, job.d, job.panel, job.panel
    # of two panels each twice, one is of vectors and one of what else the rule wants
    shared = {"images": job.panels > 2, "grams": job.grams}
    return vectors_round(*sizes, local_steps=local_steps, **shared)


def compile_seconds(job):
    """Of compiling kernels: small types are multiplied in float32 or float64."""
    return COMPILE_SECONDS * (2 if job.dtype.itemsize <= 4 else 1)


def seconds(job, plan, cluster):
    """Return {part: seconds} of the whole run on a ``Cluster``."""
    rounds = plan.rounds or job.passes
    # in windows nobody waits for others
    hops = 0 if job.private else math.ceil(math.log2(job.ranks))
    across_nodes = exchange_bytes(job, plan) / job.ranks if job.ranks > job.ranks_on_node else 0
    compiling = {} if cluster.is_warm else {"compile": compile_seconds(job)}
    return {
        "start": START_SECONDS,
        **compiling,
        "read and compute": plan.seconds,
        "exchange": rounds * (across_nodes / cluster.network + COLLECTIVES * hops * LATENCY),
    }


def lines(job, plan, components, cluster, notes=()):
    """Yield the forecast, line by line; ``notes`` and its assumptions last."""
    job = as_planned(job, plan)
    parts, data = seconds(job, plan, cluster), job.rows * job.row_bytes
    yield (
        f"data: {job.title}, {format_size(data)}; {components} {job.counts}, {job.panel} vectors"
    )
    yield (
        f"on {cluster.nodes} node(s), {job.ranks} rank(s) × {job.threads} thread(s), grid"
        f" {job.ranks // plan.shards}x{plan.shards}"
    )
    yield f"operator: {plan.reason}"
    yield (
        f"memory: {format_size(plan.bytes)} per node, {format_size(plan.bytes / job.ranks_on_node)}"
        " per rank, besides about 60 MiB per rank for interpreter and libraries"
    )
    yield from (_on_batches if job.batch_rows else _in_passes)(job, plan, data)
    yield f"exchanged: at most {format_size(exchange_bytes(job, plan))} a round, over all ranks"
    if not cluster.is_warm:
        yield (
            "kernels: to be compiled for this kind of processor, once: about"
            f" {format_seconds(compile_seconds(job))}; later runs do without"
        )
    yield (
        f"time: about {format_seconds(sum(parts.values()))} ("
        + ", ".join(f"{name} {format_seconds(value)}" for name, value in parts.items())
        + ")"
    )
    yield from notes
    yield (
        f"assumed: {job.rates.skinny(job.work.itemsize) / 1e9:.0f} Gflop/s per core for panels,"
        f" {job.rates.large(job.work.itemsize) / 1e9:.0f} for sums"
        f" ({'measured here' if job.rates.is_measured else 'typical, not measured'}),"
        f" {format_size(job.rates.read)}/s from the files per node,"
        f" {format_size(cluster.network)}/s per rank between nodes, every node alike"
        + f"; an eigenvalue spectrum that takes {job.passes} passes to {job.tol:g}"
        * (not job.batch_rows)
    )


def _in_passes(job, plan, data):
    spread = (
        ""
        if job.ritz
        else f" (a round each; {job.passes // 3} to {3 * job.passes}, by the gaps of the spectrum)"
    )
    yield (
        f"passes: about {job.passes}{spread}; read from files: {plan.reads} × {format_size(data)} ="
        f" {format_size(plan.reads * data)}"
        + f", and {format_size(plan.sample_rows * job.row_bytes)} for a sample"
        * (plan.corrections != "")
    )


def _on_batches(job, plan, data):
    drawn, rounds = job.panel * job.batch_rows, plan.rounds
    yield (
        f"rounds: about {rounds} ({max(1, rounds // 3)} to {3 * rounds}, by the share of the first"
        f" component in the variance); a round draws {drawn} rows,"
        f" {format_size(drawn * job.row_bytes)}"
    )
    yield (
        f"passes: one before the rounds on mini-batches and one after, of {format_size(data)} each"
    )


def sbatch(job, plan, cluster, *, command, words, output, places=()):
    """Return the text of a batch file for the job, with half as much time again and some memory
    to spare.

    ``words`` are data and options for ``command``; ``places`` those words among them that stand
    for data not known yet.
    """
    minutes = 5 + int(1.5 * sum(seconds(job, plan, cluster).values()) / 60) + 1
    memory = int(1.2 * plan.bytes / 2**20) + 64
    return batch_file(
        nodes=cluster.nodes,
        ranks=job.ranks,
        threads=job.threads,
        mem=memory + 200 * job.ranks_on_node,
        minutes=minutes,
        command=command,
        words=[output, *words, "--threads", job.threads, "--memory", f"{memory}M"],
        places=places,
    )
