"""Folders and files that may not be entered, listed, read or written: said as such."""

import os

import h5py
import numpy as np
import pytest

from hpcpca.cli.outputs import check_places
from hpcpca.files.file_set import layout, prepare
from hpcpca.pca.settings import FitSettings
from hpcpca.sources.source import open_source

pytestmark = pytest.mark.once


CLOSED = {"no-entry": 0o000, "no-list": 0o311, "open": 0o755}
DENIED = {
    "no-entry": "folder no-entry cannot be listed",
    "no-list": "folder no-list cannot be listed",
    "no-list/*.h5": "folder no-list cannot be listed",
    "no-entry/x.h5": "no-entry/x.h5 cannot be reached",
    "no-entry/x.h5:X": "no-entry/x.h5 cannot be reached",
    "*/x.h5": "no-entry/x.h5 cannot be reached",
    "open/x.h5": "open/x.h5 cannot be read",
    "open/*.h5": "open/x.h5 cannot be read",
}


def as_nobody(action):
    """What ``action()`` raises in a process without privileges, as text."""
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        text = "nothing"
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            action()
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(write, text.encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with open(read) as file:
        return file.read()


@pytest.fixture
def closed(tmp_path, monkeypatch):
    """Folders that are closed in one way or another, with a file in each, in the current one."""
    os.chmod(tmp_path, 0o755)
    monkeypatch.chdir(tmp_path)
    for path in ("x.h5", *(f"{name}/x.h5" for name in CLOSED)):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        with h5py.File(path, "w") as file:
            file["X"] = np.eye(5)
    os.chmod("open/x.h5", 0o000)
    for name, mode in CLOSED.items():
        os.chmod(name, mode)
    yield
    for name in CLOSED:
        os.chmod(name, 0o755)


@pytest.mark.parametrize("data", DENIED)
def test_data(closed, data):
    said = as_nobody(lambda: open_source([data]))
    assert said.startswith(f"DataError: {DENIED[data]}: permission denied"), said


@pytest.mark.parametrize("output", ["no-entry/out.h5", "no-entry/below/out.h5", "no-list/out.h5"])
def test_output(closed, output):
    config = FitSettings(data=("x.h5",), output=output)
    laid_out = layout(output, 6, 2, "f8")
    for action in (lambda: check_places(config, None), lambda: prepare(laid_out)):
        said = as_nobody(action)
        assert said.startswith("DataError: ") and "permission denied" in said, said
