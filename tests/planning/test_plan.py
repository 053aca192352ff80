"""The cost model chooses what fits, says what does not, and its traffic is what runs measure."""

import re
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
from launch import HERE, batch, run
from spectra import data_rows, power_law

from hpcpca.errors import UsageError
from hpcpca.operators.cost import Job, Rates
from hpcpca.planning.forecast import Cluster, lines, sbatch
from hpcpca.planning.plan import choose, panel_width
from hpcpca.planning.rates import _best
from hpcpca.planning.sbatch import FUNCTIONS
from hpcpca.planning.traffic import ritz_round, sampled_round, vectors_round

pytestmark = pytest.mark.once


GIB = 1 << 30
FASHION = HERE.parent / "data" / "fashion-mnist"


def job(n=200_000, d=2_000, dtype=np.float32, panel=32, memory=64 * GIB, **changes):
    given = {
        "n": n,
        "d": d,
        "dtype": np.dtype(dtype),
        "panel": panel,
        "double": False,
        "ritz": True,
        "ranks": 4,
        "ranks_on_node": 4,
        "threads": 1,
        "shards": None,
        "memory": memory,
    }
    return Job(**(given | changes))


@pytest.mark.parametrize(
    "components, guards, limit, ritz, width",
    [
        (8, None, 784, True, 16),
        (30, None, 784, True, 40),
        (1, None, 784, True, 16),
        (8, None, 10, True, 10),
        (8, 3, 784, True, 11),
        (8, None, 784, False, 8),
        (8, 2, 784, False, 10),
    ],
)
def test_panel_width(components, guards, limit, ritz, width):
    assert panel_width(components, guards, limit, ritz) == width


def test_the_quickest_operator_that_fits_is_chosen():
    assert (
        choose(job(n=60_000, d=400), "auto", None).operator == "gram"
    )  # n·d² flops are fewer than eight passes
    long = {"n": 8_000, "d": 50_000}  # Σ would have 2.5e9 entries
    for memory in (64 * GIB, GIB):
        assert choose(job(**long, memory=memory), "auto", None).operator == "mapped"
    long["unmapped"] = "x.h5 is compressed"
    chosen = choose(job(**long), "auto", None)
    assert chosen.operator == "in-memory" and "; not mapped: x.h5 is compressed)" in chosen.reason
    assert choose(job(**long, memory=GIB), "auto", None).operator == "streaming"
    with pytest.raises(UsageError, match="--operator mapped: .* x.h5 is compressed"):
        choose(job(**long), "mapped", None)
    assert choose(job(n=None, d=400), "auto", None).operator == "gram"  # a covariance given


@pytest.mark.parametrize("operator, factor", [("in-memory", 1), ("streaming", 4)])
def test_every_group_of_a_grid_reads_all_rows(operator, factor):
    """From the files in every pass; what is held in memory, once per node."""
    slow = {"rates": Rates(read=1e6)}  # reading takes nearly all the time
    one, four = (choose(job(shards=shards, **slow), operator, None) for shards in (4, 1))
    assert four.seconds == pytest.approx(factor * one.seconds, rel=0.05)
    assert four.reads == factor * one.reads
    one, four = (choose(job(shards=shards, dtype=np.uint8), operator, None) for shards in (4, 1))
    assert four.seconds > one.seconds, "all convert all rows"


@pytest.mark.parametrize("operator", ["gram", "in-memory", "streaming"])
def test_what_is_planned_fits_and_what_does_not_is_refused_with_the_figure(operator):
    for memory in (GIB // 64, GIB // 4, GIB, 4 * GIB, 64 * GIB):
        try:
            assert choose(job(memory=memory), operator, None).bytes <= memory
        except UsageError as error:
            assert re.search(
                r"needs [\d.]+ [MG]iB of memory per node, [\d.]+ [MG]iB may be used", str(error)
            )
    with pytest.raises(UsageError):
        choose(job(memory=GIB // 1024), operator, None)


def test_tall_chunks_are_named_where_they_take_the_memory():
    with pytest.raises(
        UsageError, match="500.0 MiB of rows: rewrite them with 'hpcpca data shard'"
    ):
        choose(job(memory=GIB, chunk_bytes=500 << 20), "streaming", None)
    with pytest.raises(UsageError) as caught:
        choose(job(memory=GIB // 1024, chunk_bytes=1 << 10), "streaming", None)
    assert "shard" not in str(caught.value)


def test_rates_do_not_count_what_only_the_first_call_does(monkeypatch):
    """Compiling takes longer than measuring may; and others have the processor half of the time."""
    clock = [0.0, 0.2, 0.001, 0.002]  # now; what each call takes

    def action():
        clock[0] += clock.pop(1)

    monkeypatch.setattr("hpcpca.planning.rates.time.perf_counter", lambda: 2 * clock[0])
    monkeypatch.setattr("hpcpca.planning.rates.time.thread_time", lambda: clock[0])
    assert _best(action, flops=1, seconds=0.005) == pytest.approx(1 / 0.001) and len(clock) == 1


def test_the_basis_is_bounded_by_memory_and_by_what_was_asked():
    plenty, scarce = (
        choose(job(d=50_000, n=8_000, memory=memory), "in-memory", None)
        for memory in (64 * GIB, 2 * GIB)
    )
    assert plenty.basis > scarce.basis >= 3 * 32
    assert choose(job(), "in-memory", "100").basis == 100
    assert choose(job(), "in-memory", "all").basis == 2_000 + 32
    with pytest.raises(UsageError, match="at least 3"):
        choose(job(), "in-memory", "95")


def test_rounds_of_the_vectors_exchange_are_foreseen_within_a_factor_of_three(tmp_path):
    data = {"pictures": FASHION, "law": tmp_path / "x.h5"}
    with h5py.File(data["law"], "w") as file:
        file["x"] = data_rows(power_law(300), 2000, seed=1)
    commands = {
        (name, tol): (
            "fit",
            path,
            "-k",
            8,
            "--exchange",
            "vectors",
            "--tol",
            tol,
            "-o",
            tmp_path / f"{name}{tol}.h5",
        )
        for name, path in data.items()
        for tol in (1e-3, 1e-6)
    }
    for (name, tol), done in batch(1, commands).items():
        done.ok()
        with h5py.File(tmp_path / f"{name}{tol}.h5") as file:
            ratio = job(panel=8, ritz=False, tol=tol).passes / file.attrs["rounds"]
        assert 1 / 3 < ratio < 3, (name, tol, ratio)
    said = "\n".join(
        lines(
            job(panel=8, ritz=False),
            choose(job(panel=8, ritz=False), "gram", None),
            8,
            Cluster(1, GIB),
        )
    )
    assert "passes: about 111 (a round each; 37 to 333, by the gaps of the spectrum)" in said, said


@pytest.mark.parametrize("dtype, told", [("float32", "14.0 s"), ("float64", "7.00 s")])
def test_kernels_to_be_compiled_count(dtype, told):
    asked = job(dtype=dtype)
    chosen = choose(asked, "auto", None)
    warm, cold = (
        "\n".join(lines(asked, chosen, 20, Cluster(1, GIB, is_warm))) for is_warm in (True, False)
    )
    assert "compile" not in warm
    assert f"once: about {told}; later runs do without" in cold and f"compile {told}" in cold, cold


def test_plan_looks_whether_kernels_are_compiled(tmp_path):
    """Two runs in an empty cache, of data that are worth it and of data that are not."""
    words = {
        size: run(0, "plan", size, "-k", 4, env={"NUMBA_CACHE_DIR": tmp_path}).ok().stdout
        for size in ("9000000x200", "99x9")
    }
    assert "kernels: to be compiled" in words["9000000x200"] and "compile" not in words["99x9"], (
        words
    )


@pytest.mark.parametrize(
    "ranks, grid", [(1, "1x1"), (2, "1x2"), (3, "3x1"), (3, "1x3"), (4, "2x2")]
)
def test_measured_traffic_equals_the_formula(tmp_path, ranks, grid):
    data = tmp_path / "x.h5"
    with h5py.File(data, "w") as file:
        file["x"] = data_rows(power_law(80, 1), 200, seed=1)
    methods = {
        "ritz": ["--cold"],
        "vectors": ["--exchange", "vectors", "--local-steps", "3"],
        "eigengame-alpha": ["--method", "eigengame-alpha", "--local-steps", "3"],
        "batches": ["--batch-rows", "20"],
    }
    common = ("-k", 4, "--grid", grid, "--max-rounds", 6, "--tol", 1e-3)
    commands = {
        name: ("fit", data, *common, *options, "-o", tmp_path / f"{name}.h5", "-q")
        for name, options in methods.items()
    }
    for name in methods.keys() - {"batches"}:
        commands[name] += ("--operator", "in-memory")
    shards = int(grid.split("x")[1])
    for method in batch(ranks, commands):
        with h5py.File(tmp_path / f"{method}.h5") as file:
            measured, applications = (
                np.diff(file["history/bytes_exchanged"][:]),
                file["history/applications"][:],
            )
        assert len(measured) >= 2
        if method == "batches":  # the last round is followed by a pass
            assert set(measured[:-1]) == {sampled_round(ranks, 80, 16)}
            continue
        if method != "ritz":
            working = [min(round_, 4) for round_ in range(1, len(measured) + 1)]  # staggered
            expected = [
                vectors_round(
                    ranks, shards, 80, 4, count, local_steps=3, images=method == "eigengame-alpha"
                )
                for count in working
            ]
        else:  # as many sweeps as were needed
            expected = [
                {ritz_round(ranks, shards, 80, 16, new, basis=old, sweeps=n) for n in (1, 2, 3)}
                for new, old in zip(np.diff(applications), applications)
            ]
            assert all(map(set.__contains__, expected, measured)), (measured, expected)
            continue
        assert measured.tolist() == expected, method


def test_a_forecast_for_a_cluster_states_its_assumptions():
    large = job(n=12_500_000_000, ranks=1024, ranks_on_node=8, memory=128 * GIB)
    chosen = choose(large, "auto", None)
    text = "\n".join(lines(large, chosen, 20, Cluster(128, GIB)))
    for word in (
        "90.9 TiB",
        "1024 rank(s)",
        "memory:",
        "passes:",
        "exchanged:",
        "time:",
        "assumed:",
    ):
        assert word in text
    script = sbatch(
        large,
        chosen,
        Cluster(128, GIB),
        command="fit",
        words=["my data/*.h5", "-k", 20],
        output="pca.h5",
    )
    assert "#SBATCH --nodes=128" in script and "'my data/*.h5'" in script and "resume" in script
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    scripts = Path(__file__).resolve().parent.parent.parent / "slurm"
    functions = (scripts / "env.sh").read_text()
    functions = functions[functions.index("# hpcpca_run OUT") :]
    assert functions == FUNCTIONS, "hpcpca/batch.py and slurm/env.sh say different things"
    for path in scripts.iterdir():
        subprocess.run(["bash", "-n", path], check=True)


@pytest.mark.parametrize(
    "words, says",
    [
        (("--bandwidth", "0"), "more than nothing"),
        (("--network", "0"), "more than nothing"),
        (("--memory", "0"), "more than"),
        (("--ranks", "0"), "--ranks"),
        (("--covariance",), "square"),
        (("--dtype", "complex64"), "64 bits"),
        (("--overwrite",), "--sbatch"),
    ],
)
def test_plan_refuses(words, says):
    assert says in run(0, "plan", "1000x50", "-k", 4, *words).ended(2).messages[0]


def test_plan_under_mpiexec_is_refused_once():
    done = run(2, "plan", "1000x50", "-k", 4).ended(2)
    assert len(done.messages) == 1 and "leave mpiexec out" in done.messages[0]


def test_plan_command_says_what_fit_then_does(tmp_path):
    data = tmp_path / "x.h5"
    with h5py.File(data, "w") as file:
        file["x"] = data_rows(power_law(30, 1), 400, seed=1).astype(np.float32)
    said = run(0, "plan", data, "-k", 4, "--ranks", 2, "--sbatch", tmp_path / "job.sh").ok().stdout
    did = run(2, "fit", data, "-k", 4, "-o", tmp_path / "out.h5").ok().stderr
    assert re.search(r"operator: (\S+)", said)[1] == re.search(r"operator: (\S+)", did)[1]
    assert (tmp_path / "job.sh").read_text().startswith("#!/bin/bash")
    assert run(0, "plan", "100x20", "-k", 20, "--dtype", "float16").ok().code == 0
    assert "at most 20" in run(0, "plan", "100x20", "-k", 21).ended(2).stderr
    assert "--dtype" in run(0, "plan", "100x20", "-k", 2, "--dtype", "nonsense").ended(2).stderr
    assert "0x5: at least one row" in run(0, "plan", "0x5", "-k", 2).ended(2).stderr
