"""``hpcpca fit --exchange window``: right whatever the delays, stops and goes on, ends together;
and what is injected to try it.
"""

import os
import signal

import h5py
import numpy as np
import pytest
import spectra
from launch import batch, finish, ranks_of, run, start

from hpcpca.pca.settings import FitSettings

K, N, D, TOL = 5, 400, 30, 1e-7
WINDOW = ("--exchange", "window")
LATE = ("--inject-latency", "rank=*:0-10ms")
WAYS = {
    1: ("--top1", "momentum"),
    2: (
        "--operator",
        "streaming",
        "--top1",
        "lanczos",
        "--local-steps",
        "3",
        "--deflation",
        "projection",
        "--inject-latency",
        "rank=0:5x",
    ),
    3: (
        "--operator",
        "in-memory",
        "--max-staleness",
        "1",
        "--inject-latency",
        "rank=*:apply=1ms",
        "--inject-latency",
        "rank=1:5x",
    ),
    4: (
        "--method",
        "eigengame-mu",
        "--operator",
        "gram",
        "--guards",
        "1",
        "--inject-latency",
        "rank=2:20ms",
    ),
}
SLOW = ("--inject-latency", "rank=*:apply=5ms", "--inject-latency", "rank=1:10x")
FAILING = """
import hpcpca.sources.rows as rows
from hpcpca.comm.launch import launched_rank
old, calls = rows.read_ahead, []
def read_ahead(*arguments):
    calls.append(1)
    if launched_rank() == RANK and len(calls) == 12:
        from hpcpca.errors import DataError
        raise DataError("s1.h5 cannot be read; look after the disk")
    return old(*arguments)
rows.read_ahead = read_ahead
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    here = tmp_path_factory.mktemp("window")
    rows = spectra.data_rows(spectra.exponential(D, 0.7), N, mean=1.0)
    spectra.write_shards(here / "data", s1=rows[:133], s2=rows[133:])
    return here, np.cov(rows.T)


def check(path, sigma, tol=TOL):
    """Components are those of the dense matrix, orthonormal and in order."""
    with h5py.File(path) as file:
        vectors, values = file["components"][...], file["explained_variance"][...]
        assert file.attrs["outcome"] == "converged"
    expected, true = spectra.leading(sigma, K)
    assert (
        np.linalg.norm(vectors @ sigma - values[:, None] * vectors, axis=1).max()
        <= tol * expected[0]
    )
    assert (
        np.abs(values - expected).max() <= tol * expected[0]
        and np.abs(vectors @ vectors.T - np.eye(K)).max() <= 1e-8
    )
    assert (
        max(spectra.sine(vectors[k], true[k : k + 1]) for k in range(K))
        <= 10 * tol * expected[0] / np.diff(-expected).min()
    )


@pytest.mark.parametrize(
    "n", [pytest.param(n, marks=pytest.mark.once) if n % 2 else n for n in WAYS]
)
def test_right_at_any_pace(folder, tmp_path, n):
    """Random delays, slow workers, several seeds; the independent check says so too."""
    here, sigma = folder
    fits = {
        seed: (
            "fit",
            here / "data",
            "-k",
            K,
            "-o",
            tmp_path / f"{seed}.h5",
            *WINDOW,
            *LATE,
            *WAYS[n],
            "--tol",
            TOL,
            "--seed",
            seed,
            "--max-rounds",
            20000,
        )
        for seed in (1, 2)
    }
    for done in batch(n, fits).values():
        done.ok()
    for seed in fits:
        check(tmp_path / f"{seed}.h5", sigma)
    run(0, "verify", tmp_path / "1.h5", here / "data", "--tol", TOL).ok()


def test_stops_and_goes_on(folder, tmp_path):
    """By a signal to one rank, heard by all in the middle of their rounds; and by --max-rounds;
    on other ranks and operators.
    """
    here, sigma = folder
    out = tmp_path / "out.h5"
    process = start(
        3,
        "fit",
        here / "data",
        "-k",
        K,
        "-o",
        out,
        *WINDOW,
        *SLOW,
        "--tol",
        TOL,
        "--top1",
        "momentum",
        "--operator",
        "in-memory",
    )
    while not process.stderr.readline().startswith("round 0"):
        assert process.poll() is None
    os.kill(ranks_of(process)[2], signal.SIGUSR1)
    done = finish(process, 120)
    assert "SIGUSR1 received" in done.ended(75).stderr
    told = run(2, "resume", f"{out}.ckpt", "--max-rounds", 12, "--operator", "streaming").ended(4)
    assert "--max-rounds 12 reached" in told.messages[0]
    with h5py.File(out) as file:
        assert file.attrs["rounds"] == 12 and np.diff(file["history/round"][...]).min() >= 1
    run(4, "resume", f"{out}.ckpt", "--max-rounds", 5000, "--operator", "gram").ok()
    check(out, sigma)


def test_time_is_up(folder, tmp_path):
    here, _ = folder
    done = run(
        2,
        "fit",
        here / "data",
        "-k",
        K,
        "-o",
        tmp_path / "out.h5",
        *WINDOW,
        *SLOW,
        "--tol",
        "0",
        "--max-time",
        "3s",
    ).ended(75)
    assert "--max-time 3s is over" in done.stderr


@pytest.mark.parametrize("rank", [0, 1])
def test_an_error_of_one_rank_ends_all(folder, tmp_path, rank):
    """A file that cannot be read any more, in a pass that the others know nothing of: one line,
    the exit code, no hang, nothing left.
    """
    here, _ = folder
    done = run(
        3,
        "fit",
        here / "data",
        "-k",
        K,
        "-o",
        tmp_path / "out.h5",
        *WINDOW,
        "--operator",
        "streaming",
        "--tol",
        "0",
        inject=FAILING.replace("RANK", str(rank)),
    ).ended(3)
    assert [text.strip() for text in done.messages] == [
        "hpcpca: error: s1.h5 cannot be read; look after the disk"
    ]
    assert not (tmp_path / "out.h5").exists()


@pytest.mark.once
@pytest.mark.parametrize(
    "options, told",
    [
        ((*WINDOW, "--grid", "1x2"), "ranks×1"),
        ((*WINDOW, "--stagger"), "--exchange vectors"),
        ((*WINDOW, "--advance"), "--exchange vectors"),
        ((*WINDOW, "--basis", "all"), "--exchange ritz"),
        ((*WINDOW, "--max-staleness", "-1"), "at least 0"),
        (("--max-staleness", "2"), "--exchange window"),
        (("--exchange", "vectors", "--max-staleness", "2"), "--exchange window"),
        (("--inject-latency", "rank=0:5ms"), "--exchange vectors or window"),
        ((*WINDOW, "--inject-latency", "rank=0:5"), "rank=3:50ms"),
        (("--method", "sequential-deflation", *WINDOW), "exchanges vectors"),
        (("--method", "block-krylov", *WINDOW), "exchanges ritz"),
        ((*WINDOW, "--inject-latency", "rank=7:5ms"), "numbered from 0"),
    ],
)
def test_what_does_not_go_together(folder, tmp_path, options, told):
    done = run(0, "fit", folder[0] / "data", "-k", K, "-o", tmp_path / "a.h5", *options).ended(2)
    assert len(done.messages) == 1 and told in done.messages[0], done
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".lock"]


@pytest.mark.once
def test_vectors_exchange_takes_so_much_longer(folder, tmp_path):
    """Latency is waited for every round; the numbers are the same."""
    here, _ = folder
    common = (
        "fit",
        here / "data",
        "-k",
        K,
        "--exchange",
        "vectors",
        "--tol",
        "0",
        "--max-rounds",
        20,
        "--precision",
        "double",
    )
    fits = {
        name: (*common, "-o", tmp_path / f"{name}.h5", *options)
        for name, options in (("plain", ()), ("late", ("--inject-latency", "rank=1:80ms")))
    }
    batch(2, fits)
    seconds, vectors = {}, {}
    for name in fits:
        with h5py.File(tmp_path / f"{name}.h5") as file:
            seconds[name], vectors[name] = file.attrs["seconds"], file["components"][...]
    assert (
        seconds["late"] >= 20 * 0.08
        and seconds["late"] - seconds["plain"] > 0.5
        and (vectors["late"] == vectors["plain"]).all()
    )


@pytest.mark.once
def test_memory_is_counted(folder, tmp_path):
    """Superiors' vectors, held by every rank, and slots: refused where they do not fit."""
    from hpcpca.operators.cost import Machine, Rates
    from hpcpca.pca.job import Sizes, job_of
    from hpcpca.planning.plan import choose

    data = Sizes(n=1000, d=10**6, dtype=np.dtype("f4"))
    machine = Machine(ranks=8, ranks_on_node=8, threads=1, memory=1 << 50, rates=Rates(), shards=1)
    sizes = [
        choose(job_of(settings, data, 8, machine), "streaming", None).bytes
        for settings in (
            FitSettings(exchange="vectors"),
            FitSettings(exchange="window"),
            FitSettings(exchange="window", deflation="projection"),
        )
    ]
    panel = 8 * 8 * 10**6
    assert sizes[1] - sizes[0] == (8 + 3) * panel and sizes[2] - sizes[1] == (8 + 3) * panel
