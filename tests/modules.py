"""All modules of the program, and what Python sees in them."""

import ast
import functools

from launch import HERE

HOUSE = HERE.parent / "hpcpca"
MODULES = {
    ".".join(path.relative_to(HOUSE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(HOUSE.rglob("*.py"))
}


@functools.cache
def tree(name):
    """The syntax tree of a module; not made by all workers, which import this."""
    return ast.parse(MODULES[name].read_text())


def folder(module):
    """Folder, or top-level module, that a module belongs to."""
    return module.split(".")[0]
