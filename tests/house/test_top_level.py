"""What stands at the top of the repository: what was agreed on, and nothing that slipped in."""

import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
FOLDERS = {".ci", "bin", "data", "docs", "hpcpca", "slurm", "tests"}
FILES = {"CITATION.cff", "LICENSE", "README.md", "pyproject.toml", "setup.cfg"}


@pytest.mark.skipif(
    not (ROOT / ".git").exists() or shutil.which("git") is None, reason="this is no clone"
)
def test_nothing_else_is_on_top():
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    top = {line.split("/")[0] for line in listed.splitlines()}
    assert {name for name in top - FOLDERS if not name.startswith(".")} == FILES
    assert FOLDERS <= top
