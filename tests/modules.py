"""All modules of the program, and what Python sees in them."""

import ast

from launch import HERE

HOUSE = HERE.parent / "hpcpca"
MODULES = {
    ".".join(path.relative_to(HOUSE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(HOUSE.rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}


def folder(module):
    """Folder, or top-level module, that a module belongs to."""
    return module.split(".")[0]
