"""Counts what docs/developing.md says of the house: ``python tests/house/measures.py``."""

import ast
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]
PACKAGE = HERE / "hpcpca"
MOST, MOST_POSITIONAL = 8, 5  # parameters of a function, without self
COLUMNS = 100


def functions(tree):
    """Yield (qualified name, node) of all functions of a module."""
    waiting = [("", tree)]
    while waiting:
        prefix, parent = waiting.pop()
        for node in ast.iter_child_nodes(parent):
            name = f"{prefix}{getattr(node, 'name', '')}"
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield name, node
            waiting.append((f"{name}." if hasattr(node, "name") else prefix, node))


def parameters(node):
    """(all, positional) numbers of a function's parameters, without self, cls and the options that
    click passes by name.
    """
    arguments = node.args
    positional = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
    positional = positional[positional[:1] in (["self"], ["cls"]) :]
    return len(positional) + len(arguments.kwonlyargs), len(positional)


def is_command(node):
    """Whether click calls a function, by the names of its options."""
    return any("command(" in ast.unparse(each) for each in node.decorator_list)


def crowded():
    """Functions with more parameters than a reader keeps apart: (module, name, all, positional).

    Kernels are left out: numba compiles them, and their callers are beside them.
    """
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.parent.name == "kernels":
            continue
        for name, node in functions(ast.parse(path.read_text(encoding="utf-8"))):
            count, positional = parameters(node)
            if (count > MOST or positional > MOST_POSITIONAL) and not is_command(node):
                found.append((str(path.relative_to(PACKAGE)), name, count, positional))
    return found


def longest_call():
    """(number, where) of the call with most positional arguments."""
    return max(
        (
            len([each for each in node.args if not isinstance(each, ast.Starred)]),
            f"{path.name}:{node.lineno}",
        )
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    )


def settings():
    """(number of fields, name) of the dataclass that declares most itself."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                fields = sum(isinstance(each, ast.AnnAssign) for each in node.body)
                found.append((fields, f"{path.relative_to(PACKAGE)}:{node.name}"))
    return max(found)


def attributes():
    """(number of attributes set on self, name) of the class that has most."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                names = {
                    each.attr
                    for each in ast.walk(node)
                    if isinstance(each, ast.Attribute)
                    and isinstance(each.ctx, ast.Store)
                    and getattr(each.value, "id", "") == "self"
                }
                found.append((len(names), f"{path.relative_to(PACKAGE)}:{node.name}"))
    return max(found)


def measures():
    """{what: figure} of the package as it is."""
    lines = [
        line
        for path in PACKAGE.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    modules = [path for path in PACKAGE.glob("*.py") if path.name != "__init__.py"]
    return {
        "lines": len(lines),
        f"lines over {COLUMNS} columns": sum(len(line) > COLUMNS for line in lines),
        "longest line": max(map(len, lines)),
        "mean characters of a line": round(
            sum(map(len, lines)) / len([line for line in lines if line.strip()])
        ),
        "loose modules": len(modules),
        "README, KB and lines": (len(readme.encode()) // 1024, readme.count("\n")),
        "most positional arguments of a call": longest_call(),
        f"functions with over {MOST} parameters, or {MOST_POSITIONAL} positional": len(crowded()),
        "most fields of a class": settings(),
        "most attributes of a class": attributes(),
        "longest module": max(
            (path.read_text(encoding="utf-8").count("\n"), str(path.relative_to(PACKAGE)))
            for path in PACKAGE.rglob("*.py")
        ),
    }


if __name__ == "__main__":
    for what, figure in measures().items():
        print(f"{what}: {figure}")
