"""Values that are somewhere else, or nowhere: HDF5 gives fill values without a word, hpcpca an
error that says where.
"""

import os

import h5py
import numpy as np
import pytest
from launch import run

from hpcpca.errors import DataError
from hpcpca.sources.reading import Reading
from hpcpca.sources.source import open_source

pytestmark = pytest.mark.once


ROWS = np.random.default_rng(3).standard_normal((60, 7))


def put(path, rows=ROWS, **options):
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("X", data=rows, **options)
    return path


def virtual(path, *sources):
    layout = h5py.VirtualLayout((len(ROWS) * len(sources), ROWS.shape[1]), "f8")
    for number, source in enumerate(sources):
        layout[number * len(ROWS) : (number + 1) * len(ROWS)] = h5py.VirtualSource(
            source, "X", ROWS.shape
        )
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("V", layout)
    return path


@pytest.fixture
def elsewhere(tmp_path):
    """A file in another folder."""
    return put(tmp_path / "elsewhere" / "a.h5")


def external_link(here, target):
    here.mkdir(exist_ok=True)
    with h5py.File(here / "x.h5", "w") as file:
        file["X"] = h5py.ExternalLink(str(target), "/X")
    return f"{here / 'x.h5'}:X"


def external_storage(here, target):
    here.mkdir(exist_ok=True)
    ROWS.tofile(target)
    with h5py.File(here / "x.h5", "w") as file:
        file.create_dataset("X", ROWS.shape, "f8", external=[(str(target), 0, ROWS.nbytes)])
    return f"{here / 'x.h5'}:X"


MAKERS = {
    "link": external_link,
    "virtual": lambda here, target: f"{virtual(here / 'x.h5', str(target))}:V",
    "storage": external_storage,
}


@pytest.mark.parametrize("how", MAKERS)
def test_outside_of_the_folder(tmp_path, elsewhere, how):
    data = MAKERS[how](tmp_path / "here", elsewhere)
    with pytest.raises(DataError, match="outside of its folder; give --follow-links"):
        open_source([data])
    assert open_source([data], Reading(follow_links=True)).n == 60
    os.remove(elsewhere)
    with pytest.raises(DataError, match="is not there|cannot be opened"):
        open_source([data], Reading(follow_links=True))


@pytest.mark.parametrize("how", MAKERS)
def test_inside_of_the_folder(tmp_path, how):
    put(tmp_path / "here" / "a.h5")
    target = "a.h5" if how != "storage" else tmp_path / "here" / "a.raw"
    assert open_source([MAKERS[how](tmp_path / "here", target)]).n == 60


def test_a_link_that_leads_out_by_a_symlink(tmp_path, elsewhere):
    (tmp_path / "here").mkdir()
    os.symlink(elsewhere, tmp_path / "here" / "a.h5")
    with pytest.raises(DataError, match="outside of its folder"):
        open_source([external_link(tmp_path / "here", "a.h5")])
    assert (
        open_source([str(tmp_path / "here" / "a.h5")]).n == 60
    )  # what the user names is what the user wants


def test_fit_follows_when_told_and_resume_remembers(tmp_path, elsewhere):
    data = external_link(tmp_path / "here", elsewhere)
    done = run(2, "fit", data, "-k", 2, "-o", tmp_path / "out.h5").ended(3)
    assert len(done.messages) == 1 and "--follow-links" in done.messages[0]
    run(
        2,
        "fit",
        data,
        "-k",
        2,
        "-o",
        tmp_path / "out.h5",
        "--follow-links",
        "--max-rounds",
        1,
        "--exchange",
        "vectors",
    ).ended(4)
    run(2, "resume", tmp_path / "out.h5.ckpt", "--max-rounds", 5000).ok()
    run(1, "verify", tmp_path / "out.h5", data).ended(3)
    run(1, "verify", tmp_path / "out.h5", data, "--follow-links").ok()


def test_links_in_a_circle(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a"], file["b"] = h5py.SoftLink("/b"), h5py.SoftLink("/a")
        file.create_group("g")
        file["g/up"] = h5py.SoftLink("/")
        file["X"] = ROWS
    assert open_source([str(tmp_path / "x.h5")]).n == 60
    with pytest.raises(DataError, match="has no dataset a"):
        open_source([f"{tmp_path / 'x.h5'}:a"])
    assert open_source([f"{tmp_path / 'x.h5'}:g/up/g/up/X"]).n == 60


def test_only_an_external_link(tmp_path, elsewhere):
    """What it leads to is named as it can be given; nothing outside of the folder is used
    unasked.
    """
    path = external_link(tmp_path / "here", elsewhere).removesuffix(":X")
    target = f"{elsewhere}:X"
    done = run(0, "fit", path, "-k", 2, "-o", tmp_path / "out.h5").ended(3)
    assert (
        len(done.messages) == 1
        and f"X is an external link to {elsewhere}:/X, name it: {target}, or {path}:X with "
        "--follow-links)"
        in done.messages[0]
    ), done.stderr
    assert f"name it: {target}" in run(0, "info", path).ok().stdout
    run(0, "fit", target, "-k", 2, "-o", tmp_path / "out.h5").ok()
    os.remove(elsewhere)
    assert (
        "/X, which cannot be opened)"
        in run(0, "fit", path, "-k", 2, "-o", tmp_path / "on.h5").ended(3).messages[0]
    )


def test_what_a_file_without_two_dimensions_holds(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a"], file["b"], file["c"] = (
            h5py.SoftLink("/b"),
            h5py.SoftLink("/a"),
            h5py.SoftLink("/nowhere"),
        )
        file["g/one"], file["up"] = ROWS[0], h5py.SoftLink("/g")
    with pytest.raises(DataError) as caught:
        open_source([str(tmp_path / "x.h5")])
    nowhere = "is a link that leads nowhere or in a circle"
    assert (
        "(g/one (7 float64, 1-D); "
        f"a {nowhere}; b {nowhere}; c {nowhere}); name another file" in str(caught.value)
    )
    with h5py.File(tmp_path / "x.h5", "a") as file:
        file["x"], file["y"], file["z"] = 0, 1, 2
    with pytest.raises(DataError, match=r"y \(scalar int64\); z \(scalar int64\); .*; …\); name"):
        open_source([str(tmp_path / "x.h5")])
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_group("g")
    with pytest.raises(DataError, match=r"\(no dataset at all\); name another file"):
        open_source([str(tmp_path / "x.h5")])


def test_never_written(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("contiguous", (1000, 7), "f4")
        file.create_dataset("chunked", (10**9, 10**6), "f4", chunks=(10, 1000))  # 4 PB declared
        half = file.create_dataset("half", (100, 7), "f4", chunks=(10, 7), fillvalue=-1)
        half[:40] = 1
        file.create_dataset("packed", data=np.zeros((100, 7)), chunks=(10, 7), compression="gzip")
    for name, says in (
        ("contiguous", "holds none: it was never written; run its writer again"),
        ("chunked", "holds none: it was never written; run its writer again"),
        ("half", "6 of its 10 chunks were never written .* would count as -1"),
    ):
        with pytest.raises(DataError, match=says):
            open_source([f"{tmp_path / 'x.h5'}:{name}"])
    assert open_source([f"{tmp_path / 'x.h5'}:packed"]).n == 100
    run(1, "data", "shard", f"{tmp_path / 'x.h5'}:half", "-o", tmp_path / "whole.h5").ok()
    with h5py.File(tmp_path / "whole.h5") as file:
        assert (file["half"][40:] == -1).all() and (file["half"][:40] == 1).all()


def part_of(path, source, rows):
    """A virtual dataset that maps only so many rows."""
    layout = h5py.VirtualLayout(ROWS.shape, "f8")
    layout[:rows] = h5py.VirtualSource(source, "X", ROWS.shape)[:rows]
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("V", layout)
    return f"{path}:V"


def test_virtual_datasets_with_holes(tmp_path):
    put(tmp_path / "a.h5")
    assert open_source([part_of(tmp_path / "v.h5", "a.h5", 60)]).n == 60
    with pytest.raises(DataError, match="maps 280 of its 420 values"):
        open_source([part_of(tmp_path / "w.h5", "a.h5", 40)])
    assert open_source([part_of(tmp_path / "w.h5", "a.h5", 40)], is_whole=False).n == 60


@pytest.mark.parametrize("is_part", [False, True])
def test_sources_that_are_too_short(tmp_path, is_part):
    """Both are named, whether the whole source is mapped or a selection of it."""
    put(tmp_path / "a.h5", ROWS[:40])
    layout = h5py.VirtualLayout(ROWS.shape, "f8")
    layout[:60] = (
        h5py.VirtualSource("a.h5", "X", (99, 7))[:60]
        if is_part
        else h5py.VirtualSource("a.h5", "X", ROWS.shape)
    )
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_virtual_dataset("V", layout)
    with pytest.raises(
        DataError,
        match=(
            r"v.h5:V is virtual and asks .*a.h5:X for (420 values|values up to \(59, 6\)), which"
            r" has shape \(40, 7\)"
        ),
    ):
        open_source([str(tmp_path / "v.h5")])


def test_a_virtual_dataset_that_grows_with_its_source(tmp_path):
    put(tmp_path / "a.h5", maxshape=(None, 7), chunks=(10, 7))
    end = h5py.h5s.UNLIMITED
    layout = h5py.VirtualLayout(ROWS.shape, "f8", maxshape=(None, 7))
    layout[:end] = h5py.VirtualSource("a.h5", "X", ROWS.shape, maxshape=(None, 7))[:end]
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_virtual_dataset("V", layout)
    run(0, "fit", tmp_path / "v.h5", "-k", 2, "-o", tmp_path / "out.h5").ok()
    with h5py.File(tmp_path / "out.h5") as file:
        assert file.attrs["n_samples"] == 60


@pytest.mark.parametrize("what", ["no dataset", "a group", "never written", "half written"])
def test_sources_without_values(tmp_path, what):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        if what == "a group":
            file.create_group("X")
        elif what == "never written":
            file.create_dataset("X", ROWS.shape, "f8")
        elif what == "half written":
            file.create_dataset("X", ROWS.shape, "f8", chunks=(10, 7))[:30] = ROWS[:30]
    told = {"never written": "holds none", "half written": "3 of its 6 chunks"}.get(
        what, "a.h5:X, which is not there"
    )
    for data in (virtual(tmp_path / "v.h5", "a.h5"), virtual(tmp_path / "w.h5", "a.h5", "a.h5")):
        with pytest.raises(DataError, match=told):
            open_source([f"{data}:V"])


def test_a_source_that_links_out(tmp_path, elsewhere):
    """Virtual dataset → file beside it → external link: outside is outside, however many steps
    it takes.
    """
    external_link(tmp_path / "here", "../elsewhere/a.h5")
    data = f"{virtual(tmp_path / 'here' / 'v.h5', 'x.h5')}:V"
    with pytest.raises(DataError, match="outside of its folder"):
        open_source([data])
    assert open_source([data], Reading(follow_links=True)).n == 60


def test_a_virtual_dataset_of_itself(tmp_path):
    layout = h5py.VirtualLayout(ROWS.shape, "f8")
    layout[:] = h5py.VirtualSource(".", "V", ROWS.shape)
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_virtual_dataset("V", layout)
    with pytest.raises(DataError, match="deep"):
        open_source([str(tmp_path / "v.h5")])


def test_external_storage_is_looked_for_beside_the_file(tmp_path):
    """Not in the current folder, where another file may have its name; and must be as long as it
    should.
    """
    (tmp_path / "here").mkdir()
    ROWS.tofile(tmp_path / "here" / "a.raw")
    with h5py.File(tmp_path / "here" / "x.h5", "w") as file:
        file.create_dataset("X", ROWS.shape, "f8", external=[("a.raw", 0, ROWS.nbytes)])
    (ROWS + 1000).tofile(tmp_path / "a.raw")
    for folder in (tmp_path, tmp_path / "here"):
        run(
            0,
            "fit",
            tmp_path / "here" / "x.h5",
            "-k",
            2,
            "-o",
            tmp_path / "out.h5",
            "--overwrite",
            cwd=folder,
        ).ok()
        with h5py.File(tmp_path / "out.h5") as file:
            np.testing.assert_allclose(file["mean"][...], ROWS.mean(axis=0), atol=1e-12)
    with open(tmp_path / "here" / "a.raw", "r+b") as file:
        file.truncate(ROWS.nbytes // 2)
    with pytest.raises(DataError, match="which has 1680 of them"):
        open_source([str(tmp_path / "here" / "x.h5")])


@pytest.mark.parametrize("target", ["X", "other"])
def test_the_rows_read_are_those_behind_the_link(tmp_path, target):
    """Behind an external link an item has the name that it has in its own file, which may be
    another dataset's here.
    """
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file[target] = ROWS + 5
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["X"], file["L"] = ROWS, h5py.ExternalLink("b.h5", target)
    source = open_source([f"{tmp_path / 'a.h5'}:L"])
    np.testing.assert_array_equal(source.read(0, 0, 60).rows, ROWS + 5)
    assert source.parts[0].dataset == "L"
