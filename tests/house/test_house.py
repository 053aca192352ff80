"""The house: who imports what, no cycles, short modules, everything public documented, no
printing from inside.
"""

import ast
import sys
from pathlib import Path

import measures
import pytest
from launch import HERE
from modules import HOUSE, MODULES, folder, tree

pytestmark = pytest.mark.once


LONGEST = 350  # lines of a module, and of a file of tests

# A module imports from its own folder and from lines above. Every module stands in exactly one
# line.
LINES = [
    {"errors", "options", "partition", "rng", "units", "_version"},
    {"kernels"},
    {"linalg"},
    {"comm"},
    {"files"},
    {"sources"},
    {"operators"},
    {"methods"},
    {"planning"},
    {"engine"},
    {"mapping"},
    {"pca", "regression", "compression", "averaging"},
    {"export"},
    {"python"},
    {"adapters"},
    {"report"},
    {"bench"},
    {"cli"},
    {"__main__"},
]
PLACE = {name: number for number, names in enumerate(LINES) for name in names}
LOOSE = 8  # modules at the root of the package, at most

# Third-party packages that a folder may import; those that are not named here have numpy alone.
OPEN_TO = {
    "kernels": {"llvmlite", "numba", "numpy"},
    "operators": {"numpy", "threadpoolctl"},
    "comm": {"mpi4py", "numpy", "threadpoolctl"},
    "files": {"h5py", "numpy"},
    "sources": {"h5py", "numpy", "hdf5plugin", "pyarrow"},
    "planning": {"numpy", "threadpoolctl", "mpi4py"},
    "engine": {"numpy", "rich"},
    "python": {"numpy", "sklearn"},
    "adapters": {"numpy", "jax"},
    "report": {"numpy", "matplotlib"},
    "bench": {
        "numpy",
        "h5py",
        "sklearn",
        "scipy",
        "scanpy",
        "slepc4py",
        "petsc4py",
        "threadpoolctl",
        "mpi4py",
        "torch",
        "jax",
    },
    "cli": {"click", "numpy", "mpi4py", "threadpoolctl"},
    "__main__": {"click"},
}
MAY_PRINT = {"cli", "__main__", "bench"}


def imports(module):
    """Yield (name, whether it is ours) of all that a module imports, wherever it does."""
    package = module.split(".") if MODULES[module].name == "__init__.py" else module.split(".")[:-1]
    package = [] if module == "__init__" else package
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.removeprefix("hpcpca."), alias.name.startswith("hpcpca")
        elif isinstance(node, ast.ImportFrom):
            ours = node.level > 0 or (node.module or "").startswith("hpcpca")
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join(
                [
                    *base,
                    *(
                        (node.module or "").removeprefix("hpcpca").strip(".").split(".")
                        if node.module
                        else []
                    ),
                ]
            ).strip(".")
            for alias in node.names:
                whole = f"{source}.{alias.name}".strip(".")
                yield (whole if whole in MODULES else source), ours


def ours(module):
    """Modules of hpcpca that a module imports."""
    return sorted({name for name, own in imports(module) if own and name in MODULES} - {module})


def third_party(module):
    """Packages of others that a module imports."""
    return {
        name.split(".")[0] for name, own in imports(module) if not own
    } - sys.stdlib_module_names


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_upwards_only(module):
    if module == "__init__":
        assert [name for name in ours(module) if folder(name) != "python"] == ["_version"]
        return
    place = PLACE[folder(module)]
    below = [name for name in ours(module) if PLACE[folder(name)] > place]
    assert not below, f"{module} imports {below}"
    beside = [
        name
        for name in ours(module)
        if PLACE[folder(name)] == place and folder(name) != folder(module)
    ]
    assert not beside or place == 0, f"{module} imports {beside}"


def test_every_module_stands_in_one_line():
    assert sum(map(len, LINES)) == len(PLACE)
    folders = {folder(module) for module in MODULES} - {"__init__", ""}
    assert folders == set(PLACE)
    assert (
        len([name for name in folders if name in MODULES and MODULES[name].parent == HOUSE])
        <= LOOSE
    )


def test_no_import_cycles():
    visiting, done = [], set()

    def visit(module):
        assert module not in visiting, (
            f"cycle: {' → '.join([*visiting[visiting.index(module) :], module])}"
        )
        if module in done:
            return
        visiting.append(module)
        for name in ours(module):
            visit(name)
        visiting.pop()
        done.add(module)

    for module in MODULES:
        visit(module)
    assert done == set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_third_parties_stay_in_their_folders(module):
    allowed = OPEN_TO.get(folder(module), {"numpy"})
    assert third_party(module) <= allowed, f"{module} imports {third_party(module)}"


def test_folders_below_the_edges_need_neither_mpi_nor_files():
    """As above, but over all that they import in turn: methods, linalg, kernels and operators
    can be used and tested alone.
    """
    reached, imported = (
        {name: third_party(name) for name in MODULES},
        {name: ours(name) for name in MODULES},
    )
    for _ in MODULES:
        for module in MODULES:
            reached[module] = reached[module].union(*(reached[name] for name in imported[module]))
    edges = {
        module: reached[module] & {"mpi4py", "h5py"}
        for module in MODULES
        if folder(module) in ("kernels", "linalg", "operators", "methods")
    }
    assert edges and not any(edges.values()), edges


@pytest.mark.parametrize("module", MODULES)
def test_modules_are_short(module):
    assert len(MODULES[module].read_text().splitlines()) <= LONGEST


def test_files_of_tests_have_names_of_their_own():
    """pytest takes them for modules."""
    names = [path.name for path in HERE.rglob("test_*.py")]
    assert len(names) == len(set(names))


def test_files_of_tests_are_short():
    lengths = {path.name: len(path.read_text().splitlines()) for path in HERE.rglob("*.py")}
    assert {name for name, lines in lengths.items() if lines > LONGEST} == set()
    assert Path(__file__).name in lengths


def undocumented(tree):
    """Names of public modules, classes, functions and methods without a docstring."""
    found = [] if ast.get_docstring(tree) else ["the module itself"]

    def look(body, prefix):
        for node in body:
            if isinstance(
                node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
            ) and not node.name.startswith("_"):
                if not ast.get_docstring(node):
                    found.append(prefix + node.name)
                if isinstance(node, ast.ClassDef):
                    look(node.body, f"{prefix}{node.name}.")

    look(tree.body, "")
    return found


@pytest.mark.parametrize(
    "module", [name for name in MODULES if not name.rsplit(".")[-1] == "_version"]
)
def test_what_is_public_is_documented(module):
    assert not undocumented(tree(module)), f"{module}: {', '.join(undocumented(tree(module)))}"


@pytest.mark.parametrize("module", [name for name in MODULES if folder(name) not in MAY_PRINT])
def test_solvers_do_not_print(module):
    calls = [
        node.lineno
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
    ]
    assert not calls, f"{module} prints in lines {calls}"


def of_the_locale(tree):
    """Lines that open a text file, or read or write one, without saying in which encoding."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or any(word.arg == "encoding" for word in node.keywords):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        mode = ast.unparse(node.args[1]) if len(node.args) > 1 else ""
        if (
            name in ("read_text", "write_text")
            and isinstance(node.func, ast.Attribute)
            and ast.unparse(node.func.value) != "super()"
        ) or (name == "open" and isinstance(node.func, ast.Name) and "b" not in mode):
            yield node.lineno


@pytest.mark.parametrize("module", MODULES)
def test_text_files_are_the_same_in_every_locale(module):
    assert not list(of_the_locale(tree(module)))


def test_functions_have_few_parameters():
    assert not measures.crowded()


def test_this_test_sees_what_it_should():
    """Imports within functions, relative ones of packages, and undocumented methods are found."""
    assert "methods.parallel_deflation" in ours("methods.registry") and "errors" in ours(
        "comm.world"
    )
    assert third_party("comm.exchange") == {"mpi4py", "numpy"} and "h5py" in third_party(
        "files.hdf5"
    )
    text = 'open(a)\nopen(a, "wb" if b else "ab")\nPath(a).read_text()\nopen(a, encoding="utf-8")'
    assert list(of_the_locale(ast.parse(text))) == [1, 3]
    assert undocumented(
        ast.parse('"""M."""\nclass A:\n    """A."""\n    def f(self): pass\n    def _g(self): pass')
    ) == ["A.f"]
