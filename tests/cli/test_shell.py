"""Manners of the command line: examples, completion, words for mistyped names, --config, -v."""

import json
import os
import re
import shlex
import subprocess
import sys

import click
import h5py
import numpy as np
import pytest
from click.shell_completion import BashComplete
from launch import batch, environment, run
from spectra import data_rows, power_law
from test_terminal import shown
from test_units import commands_of

from hpcpca.cli import commands
from hpcpca.cli.command import Command
from hpcpca.cli.configured import ConfiguredCommand, as_toml
from hpcpca.cli.options import given

pytestmark = pytest.mark.once

COMMANDS = {name: each for name, each in commands_of(commands) if isinstance(each, Command)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    here = tmp_path_factory.mktemp("shell")
    with h5py.File(here / "x.h5", "w") as file:
        file["X"], file["y"] = data_rows(power_law(20), 200), data_rows(power_law(3), 200)
    run(1, "fit", "x.h5:X", "-k", 3, "--tol", 1e-9, "--rows", "0:150", "-o", "pca.h5", cwd=here)
    return here


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_commands(name):
    """Every command has some, shown by -h, and click takes their words."""
    joined = "\n".join(COMMANDS[name].examples).replace("\\\n", " ")
    assert joined
    for line in joined.splitlines():
        words = shlex.split(re.sub(r"^mpiexec -n \d+ ", "", line).partition(" > ")[0])
        assert words[0] == "hpcpca", line
        command, context = commands, None
        while isinstance(command, click.Group):
            context = click.Context(command, parent=context)
            _, command, words = command.resolve_command(context, words[1:])
            words = ["", *words]
        if words[1:2] != ["--config"]:
            command.make_context(name, words[1:], parent=context)
        assert command is COMMANDS[name]


def test_every_command_has_manners():
    """Those of groups too, so that none is left out above; and -h is --help."""
    leaves = {name for name, each in commands_of(commands) if not isinstance(each, click.Group)}
    assert leaves == set(COMMANDS) and "fit" in leaves and "data make" in leaves
    short, long = run(0, "status", "-h").ok(), run(0, "status", "--help").ok()
    assert short.stdout == long.stdout and "Examples:\n  hpcpca status" in short.stdout


@pytest.mark.parametrize(
    "words, incomplete, found",
    [
        ([], "tra", [("plain", "transform")]),
        (["fit", "--exchange"], "w", [("plain", "window")]),
        (["fit"], "da", [("file", "da")]),
        (["data", "check"], "x", [("file", "x")]),
        (["regress", "x.h5", "--targets"], "y", [("file", "y")]),
        (["fit", "--config"], "r", [("file", "r")]),
        (["data"], "sh", [("plain", "shard")]),
    ],
)
def test_completion(words, incomplete, found):
    complete = BashComplete(commands, {}, "hpcpca", "_HPCPCA_COMPLETE")
    given = [(each.type, each.value) for each in complete.get_completions(words, incomplete)]
    assert given == found


def test_completion_in_bash():
    """The script that the program prints, as bash runs it."""
    program = os.path.join(os.path.dirname(sys.executable), "hpcpca")
    asked = (
        f'eval "$(_HPCPCA_COMPLETE=bash_source {program})"; COMP_WORDS=({program} pl);'
        f' COMP_CWORD=1; _hpcpca_completion {program}; echo "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run(
        ["bash", "-c", asked], capture_output=True, text=True, env=environment(), check=True
    )
    assert sorted(done.stdout.split()) == ["plan", "plot"], done


def test_what_was_mistyped(folder):
    """Of commands, options, datasets and keys, what is like it; one line each."""
    (folder / "typo.toml").write_text("max-runds = 3")
    cases = {
        ("fti", "x.h5"): (2, "no command 'fti'; did you mean fit?"),
        ("quux",): (2, "'hpcpca --help' lists"),
        ("data", "chard", "x.h5"): (2, "did you mean shard?"),
        ("fit", "x.h5", "-k", "2", "--max-round", "3"): (2, "--max-rounds"),
        ("fit", "x.h5:Y", "-k", "2", "-o", "a.h5"): (3, "did you mean y"),
        ("transform", "pca.h5", "pca.h5:component", "-o", "a.h5"): (3, "did you mean components?"),
        ("fit", "--config", "typo.toml"): (2, "max-runds is no option; did you mean max-rounds?"),
    }
    for words, done in batch(1, {words: words for words in cases}, cwd=folder).items():
        code, told = cases[words]
        assert len(done.ended(code).messages) == 1 and told in done.messages[0], done


def read(path, name="components"):
    with h5py.File(path) as file:
        return file[name][...], json.loads(file.attrs["config"])


def test_a_result_is_computed_again(folder, tmp_path):
    """From its own configuration, and from that as TOML: the same bits; what is typed goes
    before.
    """
    toml = run(0, "info", "--config", "pca.h5", cwd=folder).ok().stdout
    assert toml.splitlines()[1:] == [
        "tol = 1e-09",
        'rows = "0:150"',
        'data = ["x.h5:X"]',
        "components = 3",
    ]
    (tmp_path / "run.toml").write_text(toml)
    runs = {
        "result": ("fit", "--config", "pca.h5"),
        "toml": ("fit", "--config", tmp_path / "run.toml"),
        "typed": ("fit", "--config", "pca.h5", "-k", 2, "--rows", "0:100", "x.h5:y"),
    }
    words = {name: (*each, "-o", tmp_path / name) for name, each in runs.items()}
    for done in batch(1, words, cwd=folder).values():
        done.ok()
    first, config = read(folder / "pca.h5")
    for name in ("result", "toml"):
        again, found = read(tmp_path / name)
        np.testing.assert_array_equal(again, first)
        assert found == {**config, "output": str(tmp_path / name)}
    again, found = read(tmp_path / "typed")
    assert again.shape == (2, 3) and found["rows"] == "0:100" and found["tol"] == 1e-9


def test_what_is_no_configuration(folder):
    (folder / "bad.toml").write_text("tol = ")
    (folder / "table.toml").write_text("[tol]\nx = 1")
    cases = {
        "no.toml": (3, "cannot be read"),
        "bad.toml": (3, "is no TOML"),
        "table.toml": (2, "tol is a table"),
        "x.h5": (3, "is no result of hpcpca"),
    }
    words = {name: ("fit", "--config", name, "-k", 2, "-o", "a.h5") for name in cases}
    words["compress"] = ("compress", "--config", "pca.h5", "-r", 2, "-o", "a.h5")
    cases["compress"] = (3, "is a result of 'hpcpca fit'; name one of 'hpcpca compress'")
    for name, done in batch(2, words, cwd=folder).items():
        code, told = cases[name]
        assert len(done.ended(code).messages) == 1 and told in done.messages[0], done


@pytest.mark.parametrize(
    "name, options",
    [
        ("fit", ["--exchange", "vectors", "--no-stagger", "--top1", "lanczos", "--memory", "2G"]),
        ("fit", ["-k", "0.9", "--cold", "--basis", "all", "--max-time", "5m"]),
        ("regress", ["--targets", "y.h5", "--targets", "z.h5", "-r", "auto"]),
        ("regress", ["--modules", "m.h5", "--budget", "7", "--grow", "edge"]),
        ("compress", ["-r", "3", "--steps", "2", "--guards", "0"]),
    ],
)
def test_a_configuration_says_what_was_typed(name, options):
    """All options of all problems: parsed, stored, given again, they are the same settings."""
    command = commands.get_command(None, name)
    assert isinstance(command, ConfiguredCommand)
    data = [] if "--modules" in options else ["a.h5", "b.h5:x"]
    if name == "fit" and "-k" not in options:
        options = [*options, "-k", "4"]
    typed = command.make_context(name, [*data, *options, "-o", "o.h5"]).params
    problem = "regress --modules" if "--modules" in options else name
    kind = command.settings[problem]
    named = {old: new for new, old in command.called.get(problem, {}).items()}

    def settled(params):
        found = {named.get(key, key): each for key, each in params.items()}
        return kind(**given(kind, found))

    stored = json.dumps(settled(typed).stored())
    again = command.again(problem, stored)
    assert list(as_toml(again))
    context = click.Context(command, default_map=again)
    command.parse_args(context, ["-o", "o.h5"])
    assert settled(context.params) == settled(typed)


def test_verbose(folder, tmp_path):
    """Versions, places and options in TOML, from one rank."""
    words = ("fit", "x.h5:X", "-k", 3, "-o", tmp_path / "a.h5", "-v")
    told = run(2, *words, cwd=folder).ok().stderr.splitlines()
    assert told[0].startswith("hpcpca ") and "h5py" in told[0] and "ranks: 2 on" in told[2]
    assert told.count("  components = 3") == 1 and '  data = ["x.h5:X"]' in told


def test_no_colour(folder, tmp_path, monkeypatch):
    """Terminals get none, whether NO_COLOR asks for that or not."""
    colour = re.compile("\x1b\\[[0-9;]*[34][0-7]m")
    monkeypatch.setenv("NO_COLOR", "1")
    code, text = shown("fit", folder / "x.h5:X", "-k", 3, "-o", tmp_path / "a.h5", cwd=tmp_path)
    assert code == 0 and "\x1b[" in text and not colour.search(text), text
