"""``hpcpca fit --method``: the methods as commands; stopped ones go on exactly, also with what
their solver keeps from round to round.
"""

import h5py
import numpy as np
import pytest
import spectra
from launch import batch, run

K, N, D = 5, 400, 40
EXACT = ("--precision", "double", "--tol", "0")
VECTORS = {
    "hebb": ("--exchange", "vectors", "--top1", "hebb"),
    "momentum": ("--exchange", "vectors", "--top1", "momentum", "--local-steps", "2"),
    "chebyshev": ("--exchange", "vectors", "--top1", "chebyshev", "--local-steps", "4"),
    "advance": ("--exchange", "vectors", "--advance"),
    "projection": (
        "--exchange",
        "vectors",
        "--deflation",
        "projection",
        "--top1",
        "lanczos",
        "--local-steps",
        "3",
    ),
    "alpha": ("--method", "eigengame-alpha", "--top1", "hebb", "--step-size", "0.5"),
    "mu": ("--method", "eigengame-mu"),
}
PANELS = {
    "orthogonal iteration": ("--method", "orthogonal-iteration"),
    "block Krylov": ("--method", "block-krylov"),
    "sequential": ("--method", "sequential-deflation", "--local-steps", "4"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    here = tmp_path_factory.mktemp("methods")
    rows = spectra.data_rows(spectra.exponential(D, 0.8), N, mean=1.0)
    spectra.write_shards(here / "data", s1=rows[:133], s2=rows[133:])
    return here


def components(path):
    with h5py.File(path) as file:
        return file["components"][...]


@pytest.mark.once
def test_go_on_exactly(folder, tmp_path):
    """Nine rounds, stopped after four (with a worker that has not begun) and resumed on other
    ranks, another grid and operator.
    """
    data, commands, whole = folder / "data", {}, {}
    for name, options in VECTORS.items():
        commands[name] = (
            "fit",
            data,
            "-k",
            K,
            "-o",
            tmp_path / f"{name}.h5",
            *options,
            *EXACT,
            "--max-rounds",
            4,
            "--operator",
            "in-memory",
        )
        whole[name] = (
            "fit",
            data,
            "-k",
            K,
            "-o",
            tmp_path / f"{name}-whole.h5",
            *options,
            *EXACT,
            "--max-rounds",
            9,
            "--operator",
            "in-memory",
        )
    for done in [*batch(2, commands).values(), *batch(1, whole).values()]:
        done.ended(4)
    on = {
        name: (
            "resume",
            tmp_path / f"{name}.h5.ckpt",
            "--max-rounds",
            9,
            "--operator",
            "gram",
            "-o",
            tmp_path / f"{name}-on.h5",
        )
        for name in VECTORS
    }
    for done in batch(3, on).values():
        done.ended(4)
    for name in VECTORS:
        found, expected = (
            components(tmp_path / f"{name}-on.h5"),
            components(tmp_path / f"{name}-whole.h5"),
        )
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.once
def test_guards_of_the_vectors_exchange_do_not_hold_up_a_run(folder, tmp_path):
    """Thirty of them, of which the last begins in round 32; none has a say."""
    commands = {
        guards: (
            "fit",
            folder / "data",
            "-k",
            2,
            "-o",
            tmp_path / f"{guards}.h5",
            "--exchange",
            "vectors",
            "--local-steps",
            10,
            "--tol",
            "1e-4",
            "--guards",
            guards,
        )
        for guards in (0, 30)
    }
    rounds = {}
    for guards, done in batch(2, commands).items():
        done.ok()
        with h5py.File(tmp_path / f"{guards}.h5") as file:
            rounds[guards] = file.attrs["rounds"]
    assert rounds[30] == rounds[0] < 20


@pytest.mark.once
def test_numbers_out_of_range_are_no_trouble(folder, tmp_path):
    """No η is too large, a step without end being a power step; start vectors may have any
    length. numpy has nothing to warn of.
    """
    with h5py.File(tmp_path / "start.h5", "w") as file:
        rows = np.random.default_rng(0).standard_normal((K, D))
        file["huge"], file["tiny"] = rows * 1e200, rows * 1e-310
    words = ("--exchange", "vectors", "--tol", "1e-5")
    commands = {
        name: ("fit", folder / "data", "-k", K, "-o", tmp_path / f"{name}.h5", *words, *options)
        for name, options in {
            "1e300": ("--top1", "hebb", "--step-size", "1e300"),
            "1e308": ("--top1", "hebb", "--step-size", "1e308", "--local-steps", 3),
            "power": (),
            "huge": ("--init", f"{tmp_path}/start.h5:huge"),
            "tiny": ("--init", f"{tmp_path}/start.h5:tiny"),
        }.items()
    }
    commands["few"] = (
        "fit",
        folder / "data",
        "-k",
        2,
        "-o",
        tmp_path / "few.h5",
        *words,
        "--init",
        f"{tmp_path}/start.h5:huge",
    )
    rounds = {}
    for name, done in batch(2, commands).items():
        assert "Warning" not in done.ok().stderr and (
            "the first 2 of its 5 rows are start vectors" in done.stderr
        ) == (name == "few"), done.stderr
        with h5py.File(tmp_path / f"{name}.h5") as file:
            rounds[name] = file.attrs["rounds"]
    assert (
        rounds["1e300"] == rounds["power"] and rounds["huge"] == rounds["tiny"] != rounds["power"]
    ), rounds


@pytest.mark.once
@pytest.mark.parametrize("n", [1, 4])
def test_converge_on_files(folder, tmp_path, n):
    commands = {
        name: (
            "fit",
            folder / "data",
            "-k",
            K,
            "-o",
            tmp_path / f"{name}.h5",
            *options,
            "--tol",
            "1e-5",
            "--max-rounds",
            3000,
        )
        for name, options in (VECTORS | PANELS).items()
        if name != "alpha"
    }
    for name, done in batch(n, commands).items():
        done.ok()
        with h5py.File(tmp_path / f"{name}.h5") as file:
            expected = (
                commands[name][commands[name].index("--method") + 1]
                if "--method" in commands[name]
                else "parallel-deflation"
            )
            assert file.attrs["method"] == expected and file.attrs["outcome"] == "converged"
    checks = {
        name: ("verify", tmp_path / f"{name}.h5", folder / "data", "--tol", "1e-5")
        for name in commands
    }
    for done in batch(1, checks).values():
        done.ok()


@pytest.mark.once
@pytest.mark.parametrize(
    "options, told",
    [
        (("--method", "eigengame-mu", "--exchange", "ritz"), "exchanges vectors"),
        (("--method", "block-krylov", "--exchange", "vectors"), "exchanges ritz"),
        (("--method", "block-krylov", "--top1", "power"), "--method block-krylov"),
        (
            ("--method", "eigengame-alpha", "--deflation", "projection"),
            "goes with --method parallel-deflation or sequential-deflation",
        ),
        (("--method", "eigengame-mu", "--top1", "lanczos"), "takes power or hebb"),
        (
            ("--method", "sequential-deflation", "--no-stagger"),
            "goes with --method parallel-deflation",
        ),
        (("--method", "eigengame-mu", "--basis", "all"), "--exchange ritz"),
        (("--exchange", "vectors", "--advance", "--stagger"), "give one of them"),
        (("--exchange", "vectors", "--step-size", "0.5"), "--top1 hebb"),
        (("--exchange", "vectors", "--top1", "hebb", "--step-size", "-1"), "above 0"),
        (("--exchange", "vectors", "--top1", "hebb", "--step-size", "inf"), "above 0"),
        (("--top1", "hebb"), "--exchange vectors"),
        (("--deflation", "projection"), "--exchange vectors"),
    ],
)
def test_what_does_not_go_together(folder, tmp_path, options, told):
    done = run(0, "fit", folder / "data", "-k", K, "-o", tmp_path / "a.h5", *options).ended(2)
    assert len(done.messages) == 1 and told in done.messages[0], done
    assert not list(tmp_path.iterdir())
