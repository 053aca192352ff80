"""The pages: README.md and docs/ keep their form, links lead somewhere, what is shown happens.

A fenced block marked ``sh test`` is run: what stands behind ``$ `` or, if nothing does, every line.
Lines below a command are what it prints, compared up to their first figure or colon, since the rest
may depend on the machine; ``…`` stands for any lines. A command ends with 0, or with what
``$ echo $?`` below it shows. A block marked ``python test`` is run after all commands, and after
those before it; packages that are named behind it have to be installed. All are run on one rank, in
one folder, with ``data`` and ``tests`` of the sources in it.
"""

import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
from launch import batch

from hpcpca.cli import reference

pytestmark = pytest.mark.once


HOUSE = Path(__file__).resolve().parent.parent.parent
README, COMMANDS = HOUSE / "README.md", HOUSE / "docs" / "commands.md"
PAGES = {
    path.relative_to(HOUSE).as_posix(): path
    for path in (README, *sorted((HOUSE / "docs").glob("*.md")))
}
COLUMNS, README_LINES, README_BYTES, PICTURE_BYTES = 100, 150, 8192, 60_000
FENCE = "```"
LAUNCHER = re.compile(r"^mpiexec -n \d+ ")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def split(text):
    """Return the (number, line) of prose, and the (info string, lines) of fenced blocks."""
    prose, blocks, block = [], [], None
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith(FENCE):
            if block is None:
                block = (line.strip().removeprefix(FENCE), [])
                blocks.append(block)
            else:
                block = None
        elif block is not None:
            block[1].append(line)
        else:
            prose.append((number, line))
    return prose, blocks


def anchors(text):
    """Anchors of a page's headings, as GitHub makes them."""
    prose = [line for _, line in split(text)[0]]
    titles = [line.lstrip("#").strip().lower() for line in prose if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def steps(lines):
    """Return the commands of a block, each with ``words``, the ``shown`` lines and the ``code``."""
    found, is_transcript = [], any(line.startswith("$ ") for line in lines)
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        command = line.removeprefix("$ ") if line.startswith("$ ") or not is_transcript else None
        if command is None:
            found[-1].shown.append(line)
        elif command.strip():
            found.append(SimpleNamespace(line=command, shown=[], code=0))
    for before, step in zip(found, found[1:]):
        if step.line == "echo $?":
            before.code = int(step.shown[0])
    return [step for step in found if step.line != "echo $?"]


BLOCKS = {
    f"{name} {number}": block
    for name, path in PAGES.items()
    for number, block in enumerate(split(path.read_text(encoding="utf-8"))[1])
}
WALKS = {name: steps(lines) for name, (info, lines) in BLOCKS.items() if info == "sh test"}
SNIPPETS = {
    name: "\n".join(lines)
    for name, (info, lines) in BLOCKS.items()
    if info.startswith("python test")
}


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """The folder where all commands were run, one after the other, and {(block, number): Run}."""
    folder = tmp_path_factory.mktemp("pages")
    for name in ("data", "tests"):
        (folder / name).symlink_to(HOUSE / name)
    commands = {}
    for name, found in WALKS.items():
        for number, step in enumerate(found):
            words = shlex.split(LAUNCHER.sub("", step.line), comments=True)
            assert words[0] == "hpcpca" and not {"|", "&&", ">"} & set(words), (
                f"{name}: {step.line}"
            )
            commands[name, number] = words[1:]
    return folder, batch(1, commands, cwd=folder)


@pytest.mark.parametrize("name", WALKS)
def test_walk_through(walked, name):
    for number, step in enumerate(WALKS[name]):
        run = walked[1][name, number].ended(step.code)
        printed = iter((run.stderr + run.stdout).splitlines())
        for line in step.shown:
            start = re.split(r"[\d…:(]", line, maxsplit=1)[0].strip()
            told = f"{step.line} does not print {line!r}\n{run.stderr}{run.stdout}"
            assert any(each.strip().startswith(start) for each in printed), told


@pytest.mark.parametrize("name", SNIPPETS)
def test_snippet(walked, name, monkeypatch):
    for package in BLOCKS[name][0].split()[2:]:
        pytest.importorskip(package)
    monkeypatch.chdir(walked[0])
    exec(compile(SNIPPETS[name], name, "exec"), {})


@pytest.mark.parametrize("name", PAGES)
def test_lines_are_short(name):
    prose = split(PAGES[name].read_text(encoding="utf-8"))[0]
    long = [number for number, line in prose if len(line) > COLUMNS and not line.startswith("|")]
    assert not long, f"{name}, lines {long}"


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    text = "\n".join(line for _, line in split(PAGES[name].read_text(encoding="utf-8"))[0])
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (PAGES[name].parent / file).resolve() if file else PAGES[name]
        assert target.exists(), f"{name}: {link}"
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{name}: {link}"


def test_readme_is_short_and_leads_to_every_page():
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= README_LINES and len(text.encode()) <= README_BYTES
    assert {name for name in PAGES if name != README.name} <= set(LINK.findall(text))


def test_pictures_are_small():
    sizes = {path.name: path.stat().st_size for path in (HOUSE / "docs").glob("*.png")}
    assert sizes and max(sizes.values()) < PICTURE_BYTES, sizes


def test_command_reference_is_what_the_program_says():
    made = COMMANDS.read_text(encoding="utf-8")
    assert made == reference.page(), (
        "write it again: python -m hpcpca.cli.reference > docs/commands.md"
    )


def test_this_test_sees_what_it_should():
    """Commands in transcripts and plain blocks, exit codes, and anchors as GitHub has them."""
    found = steps(["$ hpcpca a \\", "    -b", "one 1", "$ echo $?", "4"])
    assert [(step.line.split(), step.shown, step.code) for step in found] == [
        (["hpcpca", "a", "-b"], ["one 1"], 4)
    ]
    assert [step.line for step in steps(["hpcpca a", "", "hpcpca b"])] == ["hpcpca a", "hpcpca b"]
    assert anchors("# What `verify` finds\n```sh\n# no\n```") == {"what-verify-finds"}
    assert WALKS and SNIPPETS
