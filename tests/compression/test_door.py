"""What users hand in, and what they hear if it is wrong: on every worker the same, and the next
step goes on as if nothing had been.
"""

import h5py
import numpy as np
import pytest
from reference import mean_of

from hpcpca.compression import (
    SGD,
    AllReduce,
    ParallelDeflation,
    PowerSGD,
    RandomK,
    RankDAD,
    SignNorm,
    TopK,
    load,
    save,
)
from hpcpca.errors import DataError, UsageError
from hpcpca.report.describe import describe_file

pytestmark = pytest.mark.mpi


def tensors(comm, seed=0, **others):
    """A worker's tensors."""
    rng = np.random.default_rng([seed, comm.rank])
    return {"w": rng.standard_normal((8, 9)), "b": rng.standard_normal(3)} | others


def refused(comm, compressor, *given):
    """The error that all workers raise alike, of a compressor or of an SGD."""
    step = compressor.step if isinstance(compressor, SGD) else compressor.aggregate
    try:
        step(*given)
    except (DataError, UsageError) as error:
        (text,) = set(comm.allgather(str(error)))
        assert error.is_agreed
        return text
    comm.allgather("nothing was raised")
    return None


SCHEMES = {
    "power-sgd": PowerSGD,
    "whole": AllReduce,
    "random k": RandomK,
    "top k": TopK,
    "sign and norm": SignNorm,
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_not_finite(comm, findings, scheme):
    """Tensor and worker are named, and what was owed is as it was."""
    compressor, last = SCHEMES[scheme](comm), comm.size - 1
    compressor.aggregate(tensors(comm))
    before = {name: np.array(array) for name, array in compressor.state().items()}
    for name, bad in (("w", np.nan), ("w", np.inf), ("b", -np.inf)):
        given = tensors(comm, 1)
        if comm.rank == last:
            given[name].flat[1] = bad
        text = refused(comm, compressor, given)
        findings.that(text and text.startswith(f"tensor '{name}' on worker {last}"), str(text))
    after = compressor.state()
    same = all(np.array_equal(array, after[name]) for name, array in before.items())
    findings.that(same, "the state is another")
    compressor.aggregate(tensors(comm, 2))


def test_other_tensors_on_some_worker(comm, findings):
    """At first or later; and all of them together may change."""
    last = comm.size - 1
    wrong = {
        "tensor 'w' is (8, 8) of float64": {"w": np.zeros((8, 8))},
        "tensor 'b' is (3,) of float32": {"b": np.zeros(3, "f4")},
        "worker 0 has no tensor 'c'": {"c": np.zeros(2)},
        "tensor 'w' is of type int64": {"w": np.zeros((8, 9), "i8")},
        "tensor 'b' is no array": {"b": "text"},
    }
    for compressor in (PowerSGD(comm), AllReduce(comm)):
        for step in range(2):
            for expected, other in wrong.items():
                is_mine = comm.rank == last and (comm.size > 1 or "of type" in expected)
                text = refused(comm, compressor, tensors(comm) | (other if is_mine else {}))
                if comm.size > 1 or "of type" in expected:
                    findings.that(text and f"worker {last}: " in text and expected in text, text)
            if comm.size > 1:
                short = {"w": np.zeros((8, 9))} if comm.rank == last else tensors(comm)
                text = refused(comm, compressor, short)
                findings.that(text and "there is no tensor 'b'" in text, str(text))
            compressor.aggregate(tensors(comm, step))
        mean = compressor.aggregate(tensors(comm, c=np.ones(2)))
        findings.that(np.array_equal(mean["c"], [1, 1]), "a tensor that is new")


def test_other_compressors_on_some_worker(comm, findings, shared_path):
    """And names that are no text; and a file that a state would replace."""
    text = refused(comm, PowerSGD(comm), {3: np.zeros((8, 9))})
    findings.that(text and "a tensor is called 3" in text, str(text))
    if comm.size > 1:
        text = refused(comm, PowerSGD(comm, 1 + (comm.rank == 1)), tensors(comm))
        findings.that(text and "worker 1 has a compressor with rank = 2" in text, str(text))
    path = shared_path / "data.h5"
    if comm.rank == 0:
        with h5py.File(path, "w") as file:
            file["x"] = 1.0
    comm.Barrier()
    try:
        save(str(path), PowerSGD(comm))
        text = None
    except DataError as error:
        text = str(error)
    findings.that(text and "is no state of workers" in text, str(text))


def test_no_tensors(comm, findings):
    """Are averaged to none; and some may come later, on all workers."""
    compressor = PowerSGD(comm)
    findings.that(compressor.aggregate({}) == {}, "something came of nothing")
    given = tensors(comm) if comm.rank == comm.size - 1 else {}
    if comm.size > 1:
        text = refused(comm, compressor, given)
        findings.that(text and "worker 0 has no tensor" in text, str(text))
    findings.that(set(compressor.aggregate(tensors(comm))) == {"w", "b"}, "some came later")


def test_means_that_have_no_place(comm, findings):
    """On one worker or on all: a wrong ``out``, and gradients of no parameter."""
    last, compressor = comm.size - 1, PowerSGD(comm)
    frozen = np.zeros(3)
    frozen.flags.writeable = False
    good = {"w": np.zeros((8, 9)), "b": np.zeros(3)}
    wrong = {
        "no array for the mean of 'b'": {"b": None},
        "the mean of 'w' is (9, 8)": {"w": np.zeros((9, 8))},
        "the mean of 'b' does not take floats": {"b": frozen},
    }
    for expected, other in wrong.items():
        out = good | (other if comm.rank == last else {})
        text = refused(comm, compressor, tensors(comm), out)
        findings.that(text and f"worker {last}: " in text and expected in text, str(text))
    for decay in (0.0, 0.1):
        sgd = SGD({"w": np.ones((8, 9)), "b": np.ones(3)}, compressor, 1.0, weight_decay=decay)
        for name, other in (("c", np.zeros(2)), ("b", np.zeros(1)), ("b", "text")):
            text = refused(comm, sgd, tensors(comm) | ({name: other} if comm.rank == last else {}))
            findings.that(text and f"'{name}'" in text, str(text))
        findings.that((sgd.parameters["w"] == 1).all(), "a step was taken")
    compressor.aggregate(tensors(comm), good)
    compressor.close()
    compressor.close()
    text = refused(comm, compressor, tensors(comm))
    findings.that(text and "is closed" in text, str(text))


def test_too_large(comm, findings):
    """Finite, but sums of them are not."""
    text = refused(comm, PowerSGD(comm, least=0), {"w": np.full((8, 9), 3e38, "f4")})
    findings.that(text and "too large" in text, str(text))


@pytest.mark.parametrize(
    "options",
    [
        {"rank": 0},
        {"rank": 2.5},
        {"least": -1},
        {"start": -1},
        {"feedback": "late"},
        {"steps": 0},
        {"orthonormalise": "qr"},
    ],
)
def test_wrong_words(comm, options):
    with pytest.raises(UsageError, match=next(iter(options))):
        PowerSGD(comm, **options)


class Foreign:
    """An array of another library, by one of the two protocols."""

    def __init__(self, array, protocol):
        self.array, self.protocol = array, protocol

    def __getattr__(self, name):
        if name == self.protocol or (name == "__dlpack_device__" and "dlpack" in self.protocol):
            return getattr(self.array, name)
        raise AttributeError(name)


@pytest.mark.parametrize("protocol", ["__array__", "__dlpack__"])
def test_arrays_of_other_libraries(comm, findings, protocol):
    given = tensors(comm)["w"]
    kind = type(
        protocol,
        (Foreign,),
        {
            protocol: lambda self, *a, **k: getattr(self.array, protocol)(*a, **k),
            **(
                {"__dlpack_device__": lambda self: self.array.__dlpack_device__()}
                if protocol == "__dlpack__"
                else {}
            ),
        },
    )
    mean = AllReduce(comm).aggregate({"w": kind(given, protocol)})["w"]
    findings.that(np.allclose(mean, mean_of(comm, given)), "another mean")


def test_any_layout_and_in_place(comm, findings):
    """Strided tensors, scalars, empty ones; and means written where the tensors were."""
    base = np.random.default_rng(comm.rank).standard_normal((18, 8))
    given = {"t": base.T[:, ::2], "s": np.array(2.5), "e": np.zeros((0, 4)), "f": base.copy("F")}
    plain = PowerSGD(comm, least=0).aggregate({n: a.copy("C") for n, a in given.items()})
    inside = {name: array.copy("K") for name, array in given.items()}
    compressor = PowerSGD(comm, least=0)
    mean = compressor.aggregate(inside, out=inside)
    for name, array in given.items():
        findings.that(mean[name] is inside[name], f"{name} is not written in place")
        findings.that(np.allclose(mean[name], plain[name], atol=1e-12), f"{name} is another")
    findings.that(mean_of(comm, compressor.state()["owed/t"]).any(), "nothing is owed")


def test_files(comm, findings, shared_path):
    """Names of any kind come back; what is no state, or damaged, is refused in one line."""
    path = str(shared_path / "state.h5")
    parameters = {"layer/1 ä": np.ones((8, 9), "f4"), "layer": np.ones(3, "f4")}
    first = SGD(parameters, PowerSGD(comm, 1), learning_rate=0.1)
    given = {
        name: np.random.default_rng(comm.rank).standard_normal(array.shape).astype("f4")
        for name, array in parameters.items()
    }
    first.step(given)
    save(path, first)
    other = SGD({n: np.zeros_like(a) for n, a in parameters.items()}, PowerSGD(comm, 1), 0.1)
    load(path, other)
    a, b = first.state(), other.state()
    findings.that(set(a) == set(b), f"{sorted(a)} became {sorted(b)}")
    findings.that(all(np.array_equal(a[n], b[n]) and a[n].dtype == b[n].dtype for n in a), "values")
    if comm.rank == 0:
        told = "\n".join(describe_file(path, None))
        findings.that(f"state of {comm.size} workers" in told and "after 1 steps" in told, told)
        data = bytearray((shared_path / "state.h5").read_bytes())
        data[len(data) // 2] ^= 1
        (shared_path / "damaged.h5").write_bytes(data)
    comm.Barrier()
    for name in ("missing.h5", "damaged.h5"):
        try:
            load(str(shared_path / name), other)
            text = None
        except DataError as error:
            text = str(error)
        findings.that(text and name in text and "\n" not in text, str(text))
    findings.that(all(np.array_equal(b[n], v) for n, v in other.state().items()), "half restored")


@pytest.mark.parametrize("scheme", [PowerSGD, ParallelDeflation, TopK])
def test_a_state_of_other_tensors(comm, findings, scheme):
    """Is refused in the step after, whatever kept it; a state in another precision is taken."""
    first, other = scheme(comm, 1), scheme(comm, 1)
    first.aggregate(tensors(comm))
    for shape, side in (((9, 9), "8 rows"), ((8, 10), "9 columns"), ((72,), "8 rows")):
        other.restore(first.state())
        text = refused(comm, other, {"w": np.zeros(shape)})
        findings.that(text and f"is of one with {side}" in text, str(text))
    other.restore(first.state())
    mean = other.aggregate({"w": tensors(comm)["w"].astype("f4")})["w"]
    expected = first.aggregate(tensors(comm))["w"]
    findings.that(np.allclose(mean, expected, atol=1e-5), "another mean in float32")


def test_statistics_of_a_wrong_shape(comm, findings):
    text = refused(comm, RankDAD(comm), {"w": (np.zeros((5, 3)), np.zeros((4, 3)))})
    findings.that(text and "statistics of 'w' are (5, 3) and (4, 3)" in text, str(text))
