"""The recipes of docs/developing.md, followed in a copy of the package: each ends in a fit with the
new part.
"""

import os
import re
import shlex
import shutil

import h5py
import numpy as np
import pytest
from launch import HERE, run
from test_pages import split

PAGE = (HERE.parent / "docs" / "developing.md").read_text(encoding="utf-8")
RECIPES = {
    title: split(text)[1]
    for title, text in re.findall(
        r"^### ([^\n]*)\n(.*?)(?=^##|\Z)", PAGE, flags=re.MULTILINE | re.DOTALL
    )
    if "```sh" in text
}
ROWS = np.random.default_rng(7).standard_normal((300, 12)) * 0.7 ** np.arange(12)


def changed(text, lines):
    """Text with the lines that have a plus added around the one that is there."""
    (there,) = [line[1:] for line in lines if line.startswith(" ")]
    assert text.splitlines().count(there) == 1, there
    return text.replace(f"{there}\n", "".join(f"{line[1:]}\n" for line in lines))


def follow(blocks, house):
    """Write and change the files of a recipe in ``house``; return (files, lines, commands)."""
    written, lines, commands = set(), 0, []
    for info, block in blocks:
        kind, _, name = info.partition(" ")
        if kind == "sh":
            commands += [shlex.split(line) for line in block]
        elif kind == "python":
            written.add(name)
            (house / name).write_text("\n".join(block) + "\n", encoding="utf-8")
        else:
            path = house / name
            path.write_text(changed(path.read_text(encoding="utf-8"), block), encoding="utf-8")
            lines += sum(line.startswith("+") for line in block) if written else 0
            written.add(name)
    return written, lines, commands


def copied(folder):
    """Copy the package to ``folder``, with what Python compiled of it, which stays valid where
    files stay as they are; not what it is compiling just then.
    """
    ignored = shutil.ignore_patterns("*.pyc.*")
    shutil.copytree(HERE.parent / "hpcpca", folder / "hpcpca", ignore=ignored)
    return folder


def run_there(words, folder):
    """Run a command on the package in ``folder``; the rest of ``words`` are its arguments."""
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    run(2, *words, cwd=folder, env={"PYTHONPATH": path}).ok()


def write_rows(path, rows):
    with h5py.File(path, "w") as file:
        file["X"] = rows


@pytest.mark.once
@pytest.mark.parametrize("title", RECIPES)
def test_recipe(title, tmp_path):
    written, lines, commands = follow(RECIPES[title], copied(tmp_path))
    assert len(written) <= 2 and lines <= 1 and commands
    write_rows(tmp_path / "rows.h5", ROWS)
    np.savetxt(tmp_path / "rows.txt", ROWS)
    exact = np.linalg.eigvalsh(np.cov(ROWS, rowvar=False))[::-1][:2]
    for program, *words in commands:
        assert program == "hpcpca"
        run_there(words, tmp_path)
        with h5py.File(tmp_path / "out.h5") as file:
            np.testing.assert_allclose(file["explained_variance"], exact, rtol=1e-3)


def test_the_solver_of_the_recipe_where_nothing_is_left(tmp_path):
    """Rows of rank one leave the second worker an operator that is zero."""
    _, _, ((_, *words),) = follow(RECIPES["A top1 solver"], copied(tmp_path))
    rows = np.outer(ROWS[:, 0], ROWS[0])
    write_rows(tmp_path / "rows.h5", rows)
    run_there([*words, "--local-steps", 3], tmp_path)
    with h5py.File(tmp_path / "out.h5") as file:
        first, second = file["explained_variance"][:]
        found = file["components"][:]
    assert first == pytest.approx(rows.var(axis=0, ddof=1).sum()) and abs(second) < 1e-12 * first
    np.testing.assert_allclose(found @ found.T, np.eye(2), atol=1e-7)


def test_every_kind_of_part_has_a_recipe():
    kinds = {"top1 solver", "rule of deflation", "method", "operator", "format of data"}
    assert {title.removeprefix("A ").removeprefix("An ") for title in RECIPES} == kinds
