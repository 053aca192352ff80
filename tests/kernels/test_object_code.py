"""Kernels loaded from the store: the same bits as Numba's own, without Numba; and what is in the
store when it is not as it should be.
"""

import functools
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numba
import numpy as np
import outcomes
import pytest
from launch import environment, finish, run, start

from hpcpca.kernels import jit, machine_code, moments, store

pytestmark = pytest.mark.once

OUTCOMES = (sys.executable, Path(outcomes.__file__))


def told(kind, **env):
    """What a new process says of the kernels of a kind."""
    return subprocess.run(
        [*OUTCOMES, kind], env=environment(**env), capture_output=True, text=True, check=True
    ).stdout.strip()


@functools.cache
def by_numba(kernel):
    """The function of a kernel as Numba compiles and calls it."""
    return numba.njit(error_model="numpy", _nrt=False, **kernel.options)(kernel.function)


@pytest.mark.parametrize("kind", outcomes.KINDS)
def test_the_same_bits_as_numba(kind, monkeypatch):
    """Loaded in a new process where it was compiled before."""
    outcomes.digests(kind)
    monkeypatch.setattr(jit.Kernel, "__call__", lambda kernel, *each: by_numba(kernel)(*each))
    assert told(kind) == f"{outcomes.digests(kind)} False"


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The store, empty, and a function that calls a kernel as a new process would: it returns
    whether that had to be compiled.
    """
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    made = []
    compiled = jit.Kernel._dispatcher.func

    def dispatcher(kernel):
        made.append(kernel)
        return compiled(kernel)

    monkeypatch.setattr(jit.Kernel, "_dispatcher", property(dispatcher))

    def is_compiled():
        made.clear()
        kernel, sums = jit.Kernel(moments.add_sums.function), np.zeros((2, 2))
        kernel(np.ones((3, 2)), sums)
        assert (sums == 3).all()
        return bool(made)

    return tmp_path / "hpcpca", is_compiled


def test_compiled_once(kept):
    folder, is_compiled = kept
    assert is_compiled() and not is_compiled()
    (path,) = folder.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600 and folder.stat().st_mode & 0o777 == 0o700
    assert store.trouble() is None


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "another's"])
def test_damaged_files_are_compiled_again(kept, damage):
    folder, is_compiled = kept
    assert is_compiled()
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    half = len(whole) // 2
    flipped = whole[:half] + bytes([whole[half] ^ 1]) + whole[half + 1 :]
    path.write_bytes({"cut": whole[:half], "flipped": flipped, "empty": b""}.get(damage, whole))
    path.chmod(0o620 if damage == "another's" else 0o600)
    assert is_compiled() and not is_compiled()
    assert len(path.read_bytes()) == len(whole) and path.stat().st_mode & 0o777 == 0o600


def aged(path, days):
    """Let a file look as if it was used so many days ago."""
    then = time.time() - days * store.DAY
    os.utime(path, (then, then))


def test_what_was_not_used_for_long_goes(kept):
    """When something else is written; a use counts as one for a day."""
    folder, is_compiled = kept
    assert is_compiled()
    (path,) = folder.iterdir()
    for name, days in (("old", 91), ("recent", 89), ("used", 91)):
        store.write(name, b"code")
        aged(folder / name, days)
    (folder / "left").mkdir()
    (folder / "left" / "half").write_bytes(b"co")
    aged(folder / "left", 91)
    aged(path, 0.5)
    before = path.stat().st_mtime
    assert store.read("used") == b"code" and not is_compiled()
    assert path.stat().st_mtime == before
    store.write("new", b"code")
    assert {each.name for each in folder.iterdir()} == {path.name, "recent", "used", "new"}
    aged(path, 80)
    assert not is_compiled() and time.time() - path.stat().st_mtime < store.DAY


def test_many_write_and_clean_at_once(kept):
    """Nobody fails, nothing new is lost, and what is read is whole."""
    folder, _ = kept
    for _ in range(2):
        for number in range(40):
            store.write(f"old{number}", b"code" * 1000)
            aged(folder / f"old{number}", 100)

        def work(number):
            store.write(f"new{number}", b"code" * 1000)
            return store.read(f"old{number}"), store.read(f"new{number}")

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(work, range(40)))
        assert {old for old, _ in found} <= {None, b"code" * 1000}
        assert {new for _, new in found} == {b"code" * 1000}


@pytest.mark.parametrize("above", [False, True])
def test_a_folder_that_others_can_write_to_is_not_used(kept, above):
    folder, is_compiled = kept
    assert is_compiled()
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    (folder.parent if above else folder).chmod(0o770)
    assert is_compiled() and is_compiled()
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert "chmod go-w" in store.trouble()
    (folder.parent if above else folder).chmod(0o1770)
    assert is_compiled() == (not above)  # sticky: those above are safe, what is in it is not


def test_a_link_to_a_folder_of_others_is_not_used(kept, tmp_path_factory):
    folder, is_compiled = kept
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "shared"
    elsewhere.mkdir()
    folder.symlink_to(elsewhere)
    assert is_compiled() and not is_compiled()
    elsewhere.chmod(0o777)
    assert is_compiled() and store.trouble()


def test_code_of_other_versions_and_processors_is_another(monkeypatch):
    """The name says it."""
    names = {machine_code.name_of("a", "f8C2")}
    names |= {machine_code.name_of("a", "f8C1"), machine_code.name_of("b", "f8C2")}
    for change in ("processor", "setting", "version"):
        with monkeypatch.context() as changed:
            if change == "setting":
                changed.setenv("NUMBA_OPT", "1")
            elif change == "processor":
                changed.setattr(machine_code.llvm, "get_host_cpu_name", lambda: "another")
            else:
                changed.setattr(machine_code.llvm, "llvm_version_info", (1, 0, 0))
            machine_code._version.cache_clear()
            names.add(machine_code.name_of("a", "f8C2"))
    machine_code._version.cache_clear()
    assert len(names) == 6


def test_what_kernels_may_not():
    """Allocate, return something to Python, or take what has no words."""

    def allocating(out):
        out[0] = out.copy()[0]

    with pytest.raises(Exception, match="NRT required"):
        jit.Kernel(allocating)(np.zeros(3))
    with pytest.raises(TypeError, match="returns"):
        jit.Kernel(lambda out: out[0])(np.zeros(3))
    with pytest.raises(KeyError):
        jit.Kernel(lambda out, flag: None)(np.zeros(3), True)


def test_arrays_that_are_strided_or_read_only_are_taken():
    tile = np.random.default_rng(8).standard_normal((6, 8)).astype("f4")
    tile.flags.writeable = False
    sums = np.zeros((4, 4))[::2]
    moments.add_sums(tile[::2, 1::2], sums)
    expected = tile[::2, 1::2].astype("f8")
    assert np.allclose(sums, [expected.sum(axis=0), (expected**2).sum(axis=0)], rtol=1e-15)


def test_many_processes_compile_at_once(tmp_path):
    env = environment(NUMBA_CACHE_DIR=tmp_path)
    command = [*OUTCOMES, "decimals"]
    many = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = {process.communicate()[0].split()[0] for process in many}
    assert len(said) == 1 and not any(process.returncode for process in many)
    assert told("decimals", NUMBA_CACHE_DIR=tmp_path).endswith("False")
    assert len(list((tmp_path / "hpcpca").iterdir())) == 1


def test_a_run_whose_kernels_were_compiled_does_without_numba(tmp_path):
    """Where others can write to the store every run compiles, and one line says why."""
    data, shared = tmp_path / "rows.npy", tmp_path / "shared"
    np.save(data, np.random.default_rng(9).standard_normal((60, 7)))
    inject = (
        "import atexit, sys, hpcpca.kernels as k\n"
        "k.WORTH_LOADING = k.WORTH_COMPILING = 0\n"
        "atexit.register(lambda: print('numba' in sys.modules, file=sys.stderr))"
    )

    def fit(**env):
        words = ("fit", data, "-k", 2, "-o", tmp_path / "out.h5", "--overwrite")
        return finish(start(2, *words, inject=inject, env=env)).ok().stderr

    fit()
    assert "True" not in fit()
    shared.mkdir()
    shared.chmod(0o777)
    said = fit(NUMBA_CACHE_DIR=shared)
    assert said.count("compiling kernels") == 1
    assert f"in every run: {shared} is not yours alone" in said, said
    assert list(shared.iterdir()) == [] and "False" not in said
    assert f"compiled in every run (10 s): {shared}" in (
        run(1, "doctor", tmp_path, env={"NUMBA_CACHE_DIR": shared}).ended(4).stdout
    )
