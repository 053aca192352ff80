"""Rows that stay in the files: the same components as from memory, one reading a pass, within
the memory given.
"""

import h5py
import numpy as np
import pytest
import spectra
from launch import batch, run
from spectra import data_rows, power_law

ROWS = (data_rows(power_law(60, 1), 4_000, seed=2) + 3).astype(np.float32)


def write(path, rows, **layout):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=rows, **layout)
    return path


def fitted(path):
    with h5py.File(path) as file:
        return file["explained_variance"][:], file["mean"][:], dict(file.attrs)


@pytest.fixture(scope="module")
def dense():
    return np.linalg.eigvalsh(np.cov(ROWS.astype(np.float64), rowvar=False))[::-1][:5]


@pytest.mark.once
@pytest.mark.parametrize("ranks, grid", [(1, "1x1"), (2, "2x1"), (3, "1x3"), (4, "2x2")])
def test_same_eigenvalues_from_all_operators(tmp_path, dense, ranks, grid):
    """Sums of 4,000 float32 products err by about 1e-7 of λ_0 at the most, whatever their order."""
    for number, part in enumerate(np.split(ROWS, [700, 1_900])):
        write(tmp_path / f"s{number}.h5", part, chunks=(64, 60), compression="gzip")
    common = ("fit", *sorted(tmp_path.glob("s*.h5")), "-k", 5, "--grid", grid, "-q")
    commands = {
        operator: (*common, "--operator", operator, "-o", tmp_path / f"{operator}.out")
        for operator in ("streaming", "in-memory", "gram")
    }
    for operator, done in batch(ranks, commands).items():
        done.ok()
        values, mean, attributes = fitted(tmp_path / f"{operator}.out")
        np.testing.assert_allclose(values, dense, rtol=0, atol=1e-7 * dense[0])
        np.testing.assert_allclose(mean, ROWS.astype(np.float64).mean(axis=0), atol=1e-6)
        if operator == "streaming":  # each whole pass reads once; the sample is read besides
            whole = np.floor(attributes["passes"])
            assert whole <= attributes["reads"] <= whole + 0.5


@pytest.mark.once
@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"chunks": (1, 60)},
        {"chunks": (4_000, 1)},
        {"chunks": (1_000, 7), "compression": "gzip"},
        {"chunks": (4_000, 60)},
    ],
    ids=["contiguous", "one row", "one column", "crosswise", "one chunk"],
)
def test_any_chunking(tmp_path, dense, layout):
    data = write(tmp_path / "x.h5", ROWS, **layout)
    run(2, "fit", data, "-k", 5, "-o", tmp_path / "out.h5", "--operator", "streaming", "-q").ok()
    np.testing.assert_allclose(fitted(tmp_path / "out.h5")[0], dense, rtol=0, atol=1e-7 * dense[0])


@pytest.mark.once
def test_a_sample_that_misleads_is_noticed(tmp_path):
    """Rows far from all others, few enough to be missed by any sample: the first pass is done
    again about the true mean, or scaled anew.
    """
    for name, rows in (
        ("drift", np.where(np.arange(4_000)[:, None] < 3, ROWS + 1e4, ROWS)),
        ("outlier", np.where(np.arange(4_000)[:, None] == 77, ROWS * 1e25, ROWS)),
    ):
        rows = rows.astype(np.float32)
        data, out = write(tmp_path / f"{name}.h5", rows), tmp_path / f"{name}.out"
        run(2, "fit", data, "-k", 1, "-o", out, "--operator", "streaming", "-q").ok()
        largest = np.linalg.eigvalsh(np.cov(rows.astype(np.float64), rowvar=False))[-1]
        assert fitted(out)[0][0] == pytest.approx(largest, rel=1e-6)


@pytest.mark.once
def test_memory_given_is_kept_to_and_too_little_refused(tmp_path):
    """32 MB of compressed data, 24 MiB given: streamed in windows that fit; the processes
    themselves come on top.
    """
    rows = np.random.default_rng(0).standard_normal((20_000, 400), dtype=np.float32)
    data = write(tmp_path / "x.h5", rows, chunks=(100, 400), compression="lzf")
    said = (
        run(
            2, "fit", data, "-k", 2, "-o", tmp_path / "out.h5", "--memory", "24M", "--max-rounds", 3
        )
        .ended(4)
        .stderr
    )
    assert "operator: streaming" in said and "in-memory" in said
    refused = run(2, "fit", data, "-k", 2, "-o", tmp_path / "no.h5", "--memory", "2M").ended(2)
    assert "2.0 MiB may be used" in refused.messages[0]


@pytest.mark.once
def test_nan_is_found_while_streaming(tmp_path):
    rows = ROWS.copy()
    rows[3_111, 17] = np.nan
    done = run(
        2,
        "fit",
        write(tmp_path / "x.h5", rows),
        "-k",
        2,
        "-o",
        tmp_path / "out.h5",
        "--operator",
        "streaming",
    ).ended(3)
    assert len(done.messages) == 1 and "row 3111, column 17" in done.messages[0]


@pytest.mark.once
def test_vectors_exchange_and_resume_between_operators(tmp_path, dense):
    data, out = write(tmp_path / "x.h5", ROWS), tmp_path / "out.h5"
    run(
        2,
        "fit",
        data,
        "-k",
        5,
        "-o",
        out,
        "--operator",
        "streaming",
        "--exchange",
        "vectors",
        "--max-rounds",
        5,
        "-q",
    ).ended(4)
    run(3, "resume", f"{out}.ckpt", "--operator", "in-memory", "--max-rounds", 10, "-q").ended(4)
    run(1, "resume", f"{out}.ckpt", "--operator", "streaming", "--max-rounds", 2000, "-q").ok()
    np.testing.assert_allclose(fitted(out)[0], dense, rtol=0, atol=1e-6 * dense[0])


@pytest.mark.mpi(min_size=2)
@pytest.mark.parametrize("groups", [1, 2])
def test_a_pass_that_was_stopped_goes_on_only_if_all_groups_are_equally_far(
    comm, findings, exchange_over, shared_path, groups
):
    """Groups read all rows each, for their own columns: what one has finished another may not
    have.
    """
    if comm.size % groups:
        return
    from hpcpca.errors import Interrupted

    rows = np.random.default_rng(5).standard_normal((700, 12))
    names = spectra.write(comm, shared_path, rows, chunks=(20, 12))
    exchange = exchange_over(comm, groups, comm.size // groups)
    operator = spectra.build(exchange, "streaming", names, True)
    offsets = exchange.grid.offsets(4)
    panel = np.eye(4, 12)[exchange.group_columns(offsets)]
    operator.apply(panel, offsets)
    exchange.interrupt.asked = lambda: 10
    while not exchange.interrupt.requested():  # asks again only after a hundredth of a second
        pass
    try:
        operator.apply(panel, offsets)
        findings.that(False, "not stopped")
    except Interrupted as stop:
        findings.that(
            (stop.unfinished is None) == (groups > 1), f"{groups} group(s): {stop.unfinished}"
        )
