"""What a release has to have: one version everywhere, and all files of the package in it."""

import configparser
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from hpcpca import __version__

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "hpcpca"


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_one_version():
    assert re.search(r"^version: (.*)$", text("CITATION.cff"), re.M)[1] == __version__
    assert re.search(r"^## (.*)$", text("docs/changes.md"), re.M)[1] == __version__
    assert f"result of hpcpca {__version__} " in text("README.md")
    assert f'set version = "{__version__}"' in text("docs/install/meta.yaml")


def test_files_that_are_no_modules_are_in_wheels():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = config["options.package_data"]["hpcpca"].split()
    paths = (path for path in PACKAGE.rglob("*") if path.is_file())
    others = [path for path in paths if path.suffix not in (".py", ".pyc")]
    names = [path.relative_to(PACKAGE).as_posix() for path in others]
    assert "report/page.css" in names
    assert [name for name in names if not any(fnmatch(name, each) for each in listed)] == []


def test_every_folder_is_a_package():
    """Wheels leave out folders of modules without an __init__."""
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert [str(each) for each in folders if not (each / "__init__.py").exists()] == []


def test_the_recipe_needs_what_the_package_needs():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    needed = {re.split(r"[<>=]", line)[0] for line in config["options"]["install_requires"].split()}
    run = text("docs/install/meta.yaml").partition("  run:")[2].partition("test:")[0]
    assert {line.split()[1] for line in run.strip().splitlines()} == needed | {"python"}
