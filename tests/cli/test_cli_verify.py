"""``hpcpca verify`` finds out every way in which vectors can be wrong, whatever the file, and
stores what it measured.
"""

import re
import shutil

import h5py
import numpy as np
import pytest
import spectra
from launch import batch, run

pytestmark = pytest.mark.once


K, N, D = 8, 300, 30
RANKS = (1, 2, 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data in two files, a good result, good.npy and good.h5:deep/v of its components; the same
    for their covariance.
    """
    here = tmp_path_factory.mktemp("verify")
    rows = spectra.data_rows(spectra.exponential(D, 0.75), N, mean=2.0)
    spectra.write_shards(here / "data", s1=rows[:101], s2=rows[101:])
    with h5py.File(here / "sigma.h5", "w") as file:
        file["sigma"] = spectra.dense_covariance(rows)[0]
    done = batch(
        2,
        {
            "rows": ["fit", here / "data", "-k", K + 1, "-o", here / "nine.h5"],
            "result": ["fit", here / "data", "-k", K, "-o", here / "result.h5"],
            "covariance": [
                "fit",
                here / "sigma.h5",
                "--covariance",
                "-k",
                K,
                "-o",
                here / "covariance.h5",
            ],
        },
    )
    assert [each.code for each in done.values()] == [0, 0, 0], done
    return here


@pytest.fixture(scope="module")
def nine(folder):
    with h5py.File(folder / "nine.h5") as file:
        return file["components"][...]


def copy(vectors):
    vectors[5] = vectors[0]


def swap(vectors):
    vectors[[2, 3]] = vectors[[3, 2]]


def perturb(vectors):
    vectors[4] += 1e-4 * vectors[6]
    vectors[4] /= np.linalg.norm(vectors[4])


def stretch(vectors):
    vectors[3] *= 1.5


def shrink(vectors):
    vectors[0] *= 0.5


def shift(vectors):
    vectors[:] = np.roll(vectors, -1, axis=0)


def zero(vectors):
    vectors[7] = 0


def mix(vectors):
    vectors[6:8] = np.array([[0.6, 0.8], [-0.8, 0.6]]) @ vectors[6:8]


def noise(vectors):
    vectors[:] = np.random.default_rng(0).standard_normal(vectors.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)


# what is done to the first 8 components, and what the message must say (of a result the stored λ
# disagree too)
WRONG = {
    copy: r"orthonormal.*1\.0e\+00|component was missed",
    swap: "components 2 and 3 are in the wrong order",
    perturb: "component 4 has residual",
    stretch: "not orthonormal",
    shrink: "not orthonormal",
    shift: "wrong order",
    zero: "not orthonormal",
    mix: "component 6 has residual",
    noise: "residual",
}


def write(folder, kind, vectors, result="result.h5"):
    """Vectors as .npy, as dataset of a file, or put in the place of a result's own; return the
    argument that names them.
    """
    if kind == "npy":
        np.save(folder / "v.npy", vectors)
        return folder / "v.npy"
    if kind == "dataset":
        with h5py.File(folder / "v.h5", "w") as file:
            file["deep/v"], file["deep/other"] = vectors, vectors
        return f"{folder / 'v.h5'}:deep/v"
    return resealed(folder, {"components": vectors}, result)


def resealed(folder, changes, result="result.h5"):
    """A copy of a result with other contents and a valid seal."""
    from hpcpca.files.seal import reseal

    path = folder / "changed.h5"
    shutil.copy(folder / result, path)
    with h5py.File(path, "r+") as file:
        for name, array in changes.items():
            file[name][...] = array
        reseal(file)
    return path


@pytest.fixture(scope="module")
def said(folder, nine):
    """{(wrong, kind): Run} of all that is wrong, in every kind of file, on two ranks."""
    commands = {}
    for kind in ("npy", "dataset", "result"):
        for wrong in (*WRONG, None):
            vectors = nine[:K].copy()
            if wrong is not None:
                wrong(vectors)
            here = folder / f"{kind}-{wrong and wrong.__name__}"
            here.mkdir()
            shutil.copy(folder / "result.h5", here)
            commands[wrong, kind] = ["verify", write(here, kind, vectors), folder / "data"]
        here = folder / f"{kind}-missed"
        here.mkdir()
        shutil.copy(folder / "result.h5", here)
        commands["1..8 as 0..7", kind] = ["verify", write(here, kind, nine[1:]), folder / "data"]
    return batch(2, commands)


@pytest.mark.parametrize("kind", ["npy", "dataset", "result"])
@pytest.mark.parametrize("wrong", [pytest.param(wrong, id=wrong.__name__) for wrong in WRONG])
def test_wrong_vectors_are_found_out(said, kind, wrong):
    done = said[wrong, kind].ended(4)
    assert len(done.messages) == 1 and re.search(WRONG[wrong], done.messages[0]), done.stderr
    assert "verified" not in done.stdout


@pytest.mark.parametrize("kind", ["npy", "dataset", "result"])
def test_a_missed_component_is_found_out(said, kind):
    assert "a component was missed" in said["1..8 as 0..7", kind].ended(4).messages[0]


@pytest.mark.parametrize("kind", ["npy", "dataset", "result"])
def test_good_vectors_are_verified(said, kind):
    assert "verified: all 8 residuals ≤ 1e-06" in said[None, kind].ok().stdout


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"explained_variance": -1}, "stored eigenvalue 2"),
        ({"explained_variance": 1 + 1e-5}, "stored eigenvalue 2"),
        ({"explained_variance": 0}, "stored eigenvalue 2"),
        ({"explained_variance": np.nan}, "stored eigenvalue 2"),
    ],
)
def test_wrong_eigenvalues_of_a_result_are_found_out(folder, changes, words):
    with h5py.File(folder / "result.h5") as file:
        values = file["explained_variance"][...]
    values[2] *= changes["explained_variance"]
    done = run(
        1, "verify", resealed(folder, {"explained_variance": values}), folder / "data"
    ).ended(4)
    assert words in done.messages[0]


def test_a_result_changed_without_its_seal(folder):
    path = folder / "unsealed.h5"
    shutil.copy(folder / "result.h5", path)
    with h5py.File(path, "r+") as file:
        file["components"][0, 0] += 1e-9
    assert "damaged" in run(1, "verify", path, folder / "data").ended(3).messages[0]


def test_same_figures_on_any_number_of_ranks(folder, nine):
    """Up to the last digits: those of residuals at rounding level are cut off."""
    rough = nine[:K] + 1e-3 * nine[1:]
    np.save(folder / "rough.npy", rough / np.linalg.norm(rough, axis=1, keepdims=True))
    said = [run(n, "verify", folder / "rough.npy", folder / "data").ended(4) for n in RANKS]
    assert said[0].stdout == said[1].stdout == said[2].stdout
    good = [run(n, "verify", folder / "result.h5", folder / "data").ok().stdout for n in RANKS]
    figures = [
        [line.split()[:2] for line in text.splitlines() if re.match(r"\s+\d", line)]
        for text in good
    ]
    one, *others = np.array(figures, float)
    assert len(one) == K
    for other in others:
        np.testing.assert_allclose(other, one, rtol=1e-8)


def test_tolerance(folder, nine):
    """The one given counts, else the stored one, else 1e-6."""
    blurred = nine[:K] + 1e-5 * np.roll(nine[:K], 1, axis=0)
    np.save(folder / "blurred.npy", np.linalg.qr(blurred.T)[0].T)
    data, loose = folder / "data", folder / "loose.h5"
    loosely = ("--tol", "1e-2", "--exchange", "vectors")
    commands = {
        ("blurred", 4): ("verify", folder / "blurred.npy", data),
        ("blurred, 1e-4", 0): ("verify", folder / "blurred.npy", data, "--tol", "1e-4"),
        ("fit", 0): ("fit", data, "-k", K, "-o", loose, *loosely),
        ("loose", 0): ("verify", loose, data),
        ("loose, 1e-6", 4): ("verify", loose, data, "--tol", "1e-6"),
    }
    done = batch(1, commands)
    for (_, code), each in done.items():
        each.ended(code)
    assert "residual" in done["loose, 1e-6", 4].messages[0]


def test_covariance(folder, nine):
    sigma = folder / "sigma.h5"
    np.save(folder / "eight.npy", nine[:K])
    np.save(folder / "missed.npy", nine[1:])
    commands = {
        ("result", 0): ("verify", folder / "covariance.h5", sigma),
        ("eight", 0): ("verify", folder / "eight.npy", sigma, "--covariance"),
        ("missed", 4): ("verify", folder / "missed.npy", sigma, "--covariance"),
        ("as rows", 4): ("verify", folder / "eight.npy", sigma),  # it is other data
    }
    done = batch(2, commands)
    for (_, code), each in done.items():
        each.ended(code)
    assert "missed" in done["missed", 4].messages[0]


@pytest.mark.parametrize("result, data", [("result.h5", "data"), ("covariance.h5", "sigma.h5")])
def test_save(folder, tmp_path, result, data):
    """The findings are in the file, which still loads, verifies and resumes."""
    path = tmp_path / "saved.h5"
    shutil.copy(folder / result, path)
    for _ in range(2):
        run(2, "verify", path, folder / data, "--save", "-q").ok()
    with h5py.File(path) as file:
        found = {name: item[...] for name, item in file["verification"].items()}
        assert (
            file["verification"].attrs["tol"] == 1e-6
            and file["verification"].attrs["failures"] == ""
        )
        np.testing.assert_allclose(found["eigenvalues"], file["explained_variance"], rtol=1e-9)
    assert {
        "eigenvalues",
        "residuals",
        "orthonormality",
        "gaps",
        "angle_bounds",
        "clusters",
    } <= set(found)
    assert (found["residuals"] <= 1e-6).all() and found["orthonormality"] < 1e-8
    assert [each.name for each in tmp_path.iterdir()] == ["saved.h5"]
    run(1, "info", path).ok()
    run(1, "verify", path, folder / data).ok()
    run(2, "resume", path, "--tol", "1e-10", "-o", tmp_path / "on.h5").ok()
    run(1, "verify", tmp_path / "on.h5", folder / data, "--tol", "1e-10").ok()


def test_save_what_fails(folder, nine, tmp_path):
    shutil.copy(folder / "result.h5", tmp_path)
    path = write(tmp_path, "result", np.roll(nine[:K], 1, axis=0))
    done = run(2, "verify", path, folder / "data", "--save").ended(4)
    with h5py.File(path) as file:
        told = file["verification"].attrs["failures"].split("\n")
    assert len(told) > 1 and all(line in done.messages[0] for line in told)


def test_other_data_of_the_same_shape(folder, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["X"] = np.random.default_rng(1).standard_normal((N, D))
    assert (
        "residual"
        in run(2, "verify", folder / "result.h5", tmp_path / "other.h5").ended(4).messages[0]
    )


def test_without_the_search(folder, tmp_path, nine):
    """Residuals as with it, in fewer passes; a missed component stays unnoticed and is not
    denied.
    """
    np.save(tmp_path / "missed.npy", nine[1:])
    done = {
        words: run(2, "verify", tmp_path / "missed.npy", folder / "data", *words)
        for words in ((), ("--no-search",))
    }
    assert done[()].code == 4 and done["--no-search",].ok().stdout.splitlines()[-1].startswith(
        f"verified: all {K} residuals ≤ 1e-06, not searched"
    )
    figures = [
        [line.split()[:3] for line in each.stdout.splitlines()[1 : K + 1]] for each in done.values()
    ]
    assert figures[0] == figures[1]
    assert (
        "--no-search"
        in run(0, "verify", folder / "result.h5", folder / "data", "--save", "--no-search")
        .ended(2)
        .messages[0]
    )


def test_gaps_are_in_the_units_of_the_data(folder):
    """Also of the components before one whose own is not known, without the search."""
    tables = [
        run(0, "verify", folder / "result.h5", folder / "data", *words).ok().stdout
        for words in ((), ("--no-search",))
    ]
    gaps = [re.findall(r"^ +\d+ +\S+ +\S+ +(\S+)", table, re.M)[: K - 2] for table in tables]
    assert len(gaps[0]) == K - 2 and gaps[0] == gaps[1]
