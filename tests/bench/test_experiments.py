"""``hpcpca bench experiments``: what it measures is what it says, and its files hold it."""

import json

import h5py
import numpy as np
import pytest
from launch import HERE, PATIENCE, run

from hpcpca.bench.experiments.record import middle

pytestmark = pytest.mark.once


NAMES = ("synthetic", "local-steps", "gaps", "top1", "asynchronous", "mnist")
NAMES += ("regression", "advance")
AT_THE_END = {
    "step-size": "error",
    "batch-size": "error",
    "high-dimensional": "memory",
    "scaling": "bytes a round",
    "rank-discovery": "excess",
    "corrections": "passes to 1e-06",
}  # what their figures show


PICTURES = HERE.parent / "data" / "fashion-mnist"


TWICE = ("gaps", "rank-discovery")  # with two seeds; the others, which take longer, with one


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """Folder with the results of all experiments, small ones, and what was printed."""
    folder = tmp_path_factory.mktemp("experiments")
    once = (*(name for name in (*NAMES, *AT_THE_END) if name not in TWICE), "--data", PICTURES)
    printed = ""
    for seeds, words in ((2, TWICE), (1, once)):
        how = ("--quick", "--seeds", seeds, "--folder", folder)
        done = run(0, "bench", "experiments", *words, *how, timeout=4 * PATIENCE)
        printed += done.ok().stdout
    return folder, printed


def seeds_of(name):
    """With how many seeds an experiment was made."""
    return 1 + (name in TWICE)


@pytest.mark.parametrize("name", NAMES)
def test_files(quick, name):
    folder, printed = quick
    with h5py.File(folder / f"{name}.h5") as file:
        settings = json.loads(file.attrs["settings"])
        assert (
            file.attrs["format"] == "hpcpca-experiment"
            and settings["seeds"] == seeds_of(name)
            and settings["quick"] is True
        )
        rows = (folder / f"{name}.md").read_text().splitlines()
        assert f"## {name}" in printed and all(row in printed for row in rows)
        for group in file["series"].values():
            seeds, rounds, _ = group["errors"].shape
            assert seeds == seeds_of(name)
            assert group["applications"].shape == group["seconds"].shape == (seeds, rounds)
            assert (np.diff(group["applications"], axis=1) >= 0).all() and np.isfinite(
                group["errors"][...]
            ).all()
            labels = json.loads(group.attrs["labels"])
            assert any(
                all(
                    (
                        f" {value} " in row or f" {value:g} " in row
                        if isinstance(value, float)
                        else f" {value} " in row
                    )
                    for value in labels.values()
                )
                for row in rows
            ), labels
    assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", AT_THE_END)
def test_files_of_measures(quick, name):
    folder, printed = quick
    with h5py.File(folder / f"{name}.h5") as file:
        assert f"## {name}" in printed and AT_THE_END[name] in json.loads(file.attrs["shown"])
        for group in file["series"].values():
            assert file.attrs["against"] in json.loads(group.attrs["labels"])
            assert (
                group[AT_THE_END[name]].shape == (seeds_of(name),)
                and np.isfinite(group[AT_THE_END[name]][...]).all()
            )
    assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_files_that_are_there_stay(quick, tmp_path):
    folder, _ = quick
    before = (folder / "gaps.h5").read_bytes()
    done = run(0, "bench", "experiments", "gaps", "--quick", "--folder", folder).ended(3)
    assert "--overwrite" in done.messages[0] and (folder / "gaps.h5").read_bytes() == before
    (tmp_path / "gaps.md").write_text("notes")
    words = ("bench", "experiments", "gaps", "--quick", "--folder", tmp_path, "--overwrite")
    done = run(0, *words).ended(3)
    assert "gaps.md exists and is no table of an experiment" in done.messages[0]


def test_what_is_found(quick):
    """The Ritz exchange is right after a few rounds where the paper's method is not; so are
    better solvers than power steps.
    """
    folder, _ = quick
    with h5py.File(folder / "synthetic.h5") as file:
        ended = {
            tuple(json.loads(group.attrs["labels"]).values()): group["errors"][:, -1].max()
            for group in file["series"].values()
        }
    assert (
        ended["1/k, full rank", "Ritz exchange", 1]
        < 1e-12
        < ended["1/k, full rank", "parallel deflation", 1]
        < 1
    )
    with h5py.File(folder / "top1.h5") as file:
        ended = {
            tuple(json.loads(group.attrs["labels"]).values()): group["errors"][:, -1].max()
            for group in file["series"].values()
        }
    assert (
        ended["lanczos", "projection", "all at once"]
        < 1e-9
        < ended["power", "hotelling", "staggered"]
    )


def test_the_plane_of_the_pair_is_stored(quick):
    """One error for each seed, as in the last column of the table."""
    folder, _ = quick
    with h5py.File(folder / "gaps.h5") as file:
        planes = [group["plane"][...] for group in file["series"].values()]
    rows = (folder / "gaps.md").read_text().splitlines()[-len(planes) :]
    assert [row.split(" | ")[-1].rstrip(" |") for row in rows] == [
        middle(plane) for plane in planes
    ] and all(len(plane) == 2 for plane in planes)


def test_everybody_gets_there_by_the_clock(quick):
    """Rounds and windows, late and slow ranks: all components reach the level, in times that the
    samples bear out.
    """
    folder, _ = quick
    with h5py.File(folder / "asynchronous.h5") as file:
        for group in file["series"].values():
            seconds, residuals, reached = (
                group[name][...] for name in ("seconds", "residuals", "reached")
            )
            assert (
                reached.shape == (1, 3)
                and (reached > 0).all()
                and (reached <= seconds[:, -1:]).all()
            )
            assert (
                (residuals[:, -1] <= 1e-4).all()
                and (group["errors"][:, -1] < 0.01).all()
                and (np.diff(group["rounds"][...], axis=1) >= 0).all()
            )
            later = seconds[:, :, None] >= reached[:, None, :]
            assert (residuals[later] <= 1e-4).all()


def test_errors_of_the_command(tmp_path):
    assert "--data" in run(0, "bench", "experiments", "mnist").ended(2).messages[0]
    assert (
        "no such folder"
        in run(0, "bench", "experiments", "--folder", tmp_path / "no").ended(3).messages[0]
    )
    assert "other" in run(0, "bench", "experiments", "other").ended(2).messages[0]


def test_info_knows_them(quick):
    folder, _ = quick
    shown = run(0, "info", folder / "gaps.h5").ok().stdout
    assert (
        "gaps.h5: experiment gaps of hpcpca" in shown
        and "10 series" in shown
        and "seeds = 2" in shown
        and "  0.1, vectors, T = 5\n" in shown
    ), shown


def test_targets_come_nearer_as_fast_as_the_slowest_superior(quick):
    """Within 2 % of (θ_{j+1}/θ_j)^{2T}."""
    from hpcpca.bench.experiments.advance import expected

    folder, _ = quick
    with h5py.File(folder / "advance.h5") as file:
        for group in file["series"].values():
            steps = json.loads(group.attrs["labels"])["T"]
            over = np.median(group["slopes"], axis=0) / expected(steps)
            np.testing.assert_allclose(over, 1, atol=0.02)


def test_planted_ranks_are_found(quick):
    """By all rules but importance, and with them the least loss."""
    with h5py.File(quick[0] / "rank-discovery.h5") as file:
        for group in file["series"].values():
            way = json.loads(group.attrs["labels"])["way"]
            if way in ("gain", "edge", "held-out"):
                assert (group["right"][...] == 6).all(), way
                assert (group["excess"][...] < 1e-6).all(), way
            elif way != "pruned":
                assert (group["excess"][...] > 1e-3).all(), way
