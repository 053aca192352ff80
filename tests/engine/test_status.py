"""``hpcpca status`` and ``hpcpca info`` of runs that were stopped, and of results."""

import json

import h5py
import pytest
import spectra
from launch import batch, run
from slow_reading import D, K, N, cut, stopped


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Rows in two shards."""
    here = tmp_path_factory.mktemp("status") / "data"
    rows = spectra.data_rows(spectra.exponential(D, 0.9), N, mean=3.0)
    spectra.write_shards(here, s1=rows[:1234], s2=rows[1234:])
    return here


@pytest.mark.once
def test_status_of_a_stopped_run(data, tmp_path):
    output, checkpoint = tmp_path / "out.h5", tmp_path / "out.h5.ckpt"
    words = ("fit", data, "-k", K, "-o", output, "--operator", "streaming", "--cold")
    stopped(2, *words, after=94, seconds=0.3, quick=45).ended(75)
    shown = run(0, "status", checkpoint).ok().stdout
    assert (
        "interrupted" in shown
        and "% of the rows" in shown
        and f"hpcpca resume {checkpoint}" in shown
    ), shown
    found = json.loads(run(0, "status", "--json", checkpoint).ok().stdout)
    assert json.loads(run(0, "status", "--json", output).ok().stdout) == found, (
        "the result's name stands for its run"
    )
    with h5py.File(checkpoint) as file:
        round_ = file.attrs["state_round"]
    assert (
        found["state"] == "interrupted" and found["round"] == round_ and 0 < found["pass_done"] < 1
    )
    assert "no such file" in run(0, "status", tmp_path / "none.ckpt").ended(3).messages[0]
    cut(2, "resume", checkpoint).ok()
    assert (
        f"{checkpoint}: finished" in run(0, "status", checkpoint).ok().stdout
        and f"{output}: finished" in run(0, "status", output).ok().stdout
    )
    assert "is not a result or checkpoint" in run(0, "status", data / "s1.h5").ended(3).messages[0]


def test_a_run_stopped_before_its_first_pass(data, tmp_path):
    """Nothing was measured: no variances, no clusters, and the rows are those of the files."""
    output, checkpoint = tmp_path / "out.h5", tmp_path / "out.h5.ckpt"
    words = ("fit", data, "-k", K, "-o", output, "--operator", "gram")
    cut(2, *words, "--max-time", "0.01s").ended(75)
    shown = run(0, "info", checkpoint).ok().stdout
    assert (
        f"{K} components of {D} features, {N} samples" in shown and "nothing measured yet" in shown
    ), shown
    assert not any(word in shown for word in ("nan", "cluster", "eigenvalue", "covariance")), shown
    assert "largest residual not known yet" in run(0, "status", checkpoint).ok().stdout
    cut(2, "resume", checkpoint).ok()
    assert f"{K} components of {D} features, {N} samples" in run(0, "info", output).ok().stdout


@pytest.mark.once
def test_status_of_a_result(data, tmp_path):
    """That it is there, how it ended, and what to type to go on only where there is something
    left to do.
    """
    output = tmp_path / "out.h5"
    for rounds, code, outcome in ((1, 4, "max_rounds"), (1000, 0, "converged")):
        words = ("fit", data, "-k", K, "-o", output, "--cold", "--max-rounds", rounds)
        run(0, *words, "--no-checkpoint", "--overwrite").ended(code)
        paths = (output, f"{output}.ckpt")
        commands = {
            (path, *how): ("status", *how, path) for path in paths for how in ((), ("--json",))
        }
        told = {key: done.ok().stdout for key, done in batch(0, commands).items()}
        for path in paths:
            shown = told[path,]
            assert (
                f"result ({outcome}) of " in shown
                and f"the result is there: hpcpca info {output}" in shown
                and "checkpoint of" not in shown
            ), shown
            assert (
                (f"to go on: hpcpca resume {output} --max-rounds 2\n" in shown)
                == (code == 4)
                == ("to go on" in shown)
            ), shown
            found = json.loads(told[path, "--json"])
            assert (found["state"], found["outcome"]) == ("finished", outcome) and found[
                "result"
            ] == str(output)
    assert (
        "s1.h5 is not a result or checkpoint"
        in run(0, "status", data / "s1.h5.ckpt").ended(3).messages[0]
    )
