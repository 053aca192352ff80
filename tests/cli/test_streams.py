"""Output that cannot be written costs what it would say, never a run; any locale can show it."""

import ast
import json
import os
import re
import resource
import subprocess
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from launch import PROGRAM, environment, run
from modules import MODULES, tree
from modules import folder as place

from hpcpca.cli import streams
from hpcpca.engine.live import JsonLog

pytestmark = pytest.mark.once


ROWS = np.random.default_rng(3).standard_normal((300, 8)) / np.arange(1, 9)
SAYS_FULL = "No space left on device"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data and a result."""
    here = tmp_path_factory.mktemp("streams")
    with h5py.File(here / "x.h5", "w") as file:
        file["X"] = ROWS
    run(0, "fit", "x.h5", "-k", 2, "-o", "pca.h5", "-q", cwd=here).ok()
    return here


def closed():
    """The writing end of a pipe that nobody reads."""
    reads, writes = os.pipe()
    os.close(reads)
    return os.fdopen(writes, "w")


def full():
    """A disk without room."""
    return open("/dev/full", "w")


def ended(folder, *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **env):
    """Run a command without mpiexec; return its exit code and what it wrote, as bytes."""
    words = [*PROGRAM, *map(str, words)]
    done = subprocess.run(
        words,
        cwd=folder,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "stream, which", [(full, "stderr"), (closed, "stderr"), (full, "stdout"), (closed, "stdout")]
)
def test_a_run_goes_on_without_its_streams(folder, tmp_path, stream, which):
    with stream() as taken:
        words = ("fit", "x.h5", "-k", 2, "-o", tmp_path / "out.h5")
        code, *_ = ended(folder, *words, **{which: taken})
    assert code == 0 and [path.name for path in tmp_path.iterdir()] == ["out.h5"]


@pytest.mark.parametrize("more", [(), ("-q",)])
def test_a_run_goes_on_without_its_log(folder, tmp_path, more):
    """One warning, also from a quiet run: the log was asked for."""
    words = ("fit", folder / "x.h5", "-k", 2, "-o", tmp_path / "out.h5", "--log-json", "/dev/full")
    done = run(2, *words, *more).ok()
    told = f"hpcpca: warning: --log-json /dev/full cannot be written: {SAYS_FULL}; the run goes on"
    assert done.stderr.count(told) == done.stderr.count("warning") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5"]


def test_a_log_that_ends_early_has_whole_lines(tmp_path):
    counters = SimpleNamespace(passes=1, reads=1, applications=1, bytes_exchanged=0, samples=0)
    state = SimpleNamespace(round=1, estimated=False)
    report = SimpleNamespace(
        counters=counters,
        seconds=0.5,
        components=2,
        state=state,
        tol=0.1,
        eigenvalues=np.ones(2),
        residuals=np.ones(2),
        goals=np.full(2, 0.1),
        is_double=True,
    )
    warnings, limits = [], resource.getrlimit(resource.RLIMIT_FSIZE)
    log = JsonLog(tmp_path / "log", warnings.append)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        for _ in range(9):
            log(report)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    log.close()
    lines = (tmp_path / "log").read_text().splitlines()
    assert len(warnings) == 1 and 1 <= len(lines) < 9
    assert all(json.loads(line)["round"] == 1 for line in lines)


def test_a_log_may_go_to_a_pipe(folder, tmp_path):
    words = ("fit", "x.h5", "-k", 2, "-o", tmp_path / "out.h5", "--log-json", "/dev/stderr", "-q")
    done = run(0, *words, cwd=folder).ok()
    assert json.loads(done.stderr.splitlines()[0])["round"] == 1


@pytest.mark.parametrize(
    "words",
    [
        ("info", "pca.h5"),
        ("status", "pca.h5"),
        ("verify", "pca.h5", "x.h5", "--save"),
        ("data", "check", "x.h5"),
        ("plan", "100x20", "-k", 2),
        ("--help",),
    ],
)
def test_results_on_a_full_disk(folder, words):
    """One line and exit code 3; what else the command is to do is done."""
    with full() as taken:
        code, _, said = ended(folder, *words, stdout=taken)
    told = rf"hpcpca: error: standard output cannot be written: {SAYS_FULL}; .*\n"
    assert code == 3 and re.fullmatch(told, said.decode()), said
    if words[0] == "verify":
        with h5py.File(folder / "pca.h5") as file:
            assert "verification" in file


@pytest.mark.parametrize(
    "words", [("info", "pca.h5"), ("verify", "pca.h5", "x.h5"), ("fit", "--help")]
)
def test_a_reader_that_went_away(folder, words):
    with closed() as taken:
        assert ended(folder, *words, stdout=taken) == (141, None, b"")


def test_closed_streams(folder, tmp_path):
    """What libraries print does not go into a file that has the number of a stream."""
    words = [*PROGRAM, "fit", "x.h5", "-k", "2", "-o", str(tmp_path / "out.h5")]
    shell = ["bash", "-c", '"$@" >&- 2>&-', "sh", *words]
    subprocess.run(shell, cwd=folder, env=environment(), timeout=60, check=True)
    run(0, "verify", tmp_path / "out.h5", folder / "x.h5").ok()


LOCALES = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": 0, "PYTHONCOERCECLOCALE": 0},
}


@pytest.mark.parametrize("name", LOCALES)
def test_any_locale(folder, tmp_path, name):
    """Tables, help, progress and errors; an encoding's own characters stay."""
    words = {
        "info": ("info", "pca.h5"),
        "help": ("fit", "--help"),
        "error": ("fit", "x.h5", "-k", 99, "-o", tmp_path / "no.h5"),
        "fit": ("fit", "x.h5", "-k", 2, "-o", tmp_path / "out.h5"),
    }
    said = {key: ended(folder, *line, **LOCALES[name]) for key, line in words.items()}
    coding = "latin-1" if name == "latin-1" else "ascii"
    said = {key: (code, (out + err).decode(coding)) for key, (code, out, err) in said.items()}
    assert [code for code, _ in said.values()] == [0, 0, 2, 0], said
    times = "×" if coding == "latin-1" else "x"
    assert "angle <=" in said["info"][1] and f"300 {times} 8" in said["info"][1]
    assert "Residual ||" in said["help"][1] and "How Sigma is held" in said["help"][1]
    assert "ask for 8 or fewer" in said["error"][1] and f"300 {times} 8 float64" in said["fit"][1]


def test_names_that_are_no_text(folder, tmp_path):
    """In messages, in files, and again in those that are made of them."""
    name = os.fsdecode(b"\xff.h5")
    (tmp_path / name).write_bytes((folder / "x.h5").read_bytes())
    result, scores, job = f"a{name}", f"b{name}", f"job{name}"
    for line in (
        ("fit", name, "-k", 2, "-o", result),
        ("transform", result, name, "-o", scores),
        ("reconstruct", result, scores, "-o", f"c{name}"),
        ("info", scores),
        ("status", "--json", result),
        ("plan", name, "-k", 2, "--sbatch", job),
    ):
        code, out, err = ended(tmp_path, *line)
        assert code == 0, (line, err)
        assert b"\\xff.h5" in out + err or b"\\udcff.h5" in out, (out, err)
    assert name in (tmp_path / job).read_text(errors="surrogateescape")


def test_every_character_has_a_word():
    """Of what may be printed: all text in the code but the docstrings of what is no command."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docs = {
        node.body[0].value
        for name in MODULES
        if place(name) != "cli"
        for node in ast.walk(tree(name))
        if isinstance(node, kinds) and ast.get_docstring(node)
    }
    texts = [
        node.value
        for name in MODULES
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docs
    ]
    found = {char for text in texts for char in text if char > "\x7f"}
    shown = {char: in_ascii(char) for char in found}
    assert {"λ", "≤"} <= found
    assert not [char for char, word in shown.items() if "?" in word or not word.isascii()]
    assert in_ascii("λ₀≤‖Σᵀ‖…漢\udcff") == "lambda0<=||Sigma'||...?\\xff"


def in_ascii(text):
    return streams.in_ascii(UnicodeEncodeError("ascii", text, 0, len(text), ""))[0]
