"""``plan --sbatch`` writes a file for the job that was planned, and replaces nothing unasked."""

import os

import h5py
import numpy as np
import pytest
from launch import run
from spectra import data_rows, power_law

from hpcpca.errors import DataError
from hpcpca.files import outputs

pytestmark = pytest.mark.once


def test_the_batch_file_asks_for_the_job_that_was_planned(tmp_path):
    words = (
        "--operator",
        "streaming",
        "--exchange",
        "vectors",
        "--tol",
        "1e-09",
        "--precision",
        "double",
    )
    run(0, "plan", "1000x50", "-k", 4, *words, "--sbatch", tmp_path / "job.sh").ok()
    command = (tmp_path / "job.sh").read_text().splitlines()[-1]
    assert command.startswith("hpcpca_run pca.h5 DATA.h5 -k 4 ") and all(
        word in command.split() for word in words
    ), command
    run(
        0, "plan", "50x50", "-k", 4, "--covariance", "--sbatch", tmp_path / "job.sh", "--overwrite"
    ).ok()
    assert "--covariance" in (tmp_path / "job.sh").read_text().splitlines()[-1]


def test_a_batch_file_says_what_is_to_be_edited(tmp_path):
    """How srun starts ranks of this MPI; and the data, where only their size was given."""
    said = (
        run(0, "plan", "1000x50", "-k", 4, "--sbatch", tmp_path / "job.sh")
        .ok()
        .stdout.splitlines()[-1]
    )
    assert (
        said == f"batch file: {tmp_path / 'job.sh'}; in its last line DATA.h5 stands for your data:"
        " edit it"
    )
    lines = (tmp_path / "job.sh").read_text().splitlines()
    launch = next(number for number, line in enumerate(lines) if line.startswith("LAUNCH="))
    told = " ".join(line.removeprefix("# ") for line in lines[launch - 2 : launch])
    assert "--mpi=pmix for Open MPI" in told and "--mpi=pmi2 for MPICH" in told
    assert lines[-2].startswith("# Edit: DATA.h5 stands for your data") and lines[-1].startswith(
        "hpcpca_run pca.h5 DATA.h5 -k 4"
    )
    with h5py.File(tmp_path / "my x.h5", "w") as file:
        file["x"] = data_rows(power_law(30, 1), 400, seed=1)
    said = (
        run(0, "plan", tmp_path / "my x.h5", "-k", 4, "--sbatch", tmp_path / "other.sh")
        .ok()
        .stdout.splitlines()[-1]
    )
    assert said == f"batch file: {tmp_path / 'other.sh'}"
    *_, before, last = (tmp_path / "other.sh").read_text().splitlines()
    assert last.startswith(f"hpcpca_run pca.h5 '{tmp_path}/my x.h5' -k 4") and not before


def test_a_batch_file_replaces_nothing_unasked_and_no_other_file_ever(tmp_path):
    words, job, data = (
        ("plan", "1000x50", "-k", 4, "--sbatch"),
        tmp_path / "job.sh",
        tmp_path / "s0.h5",
    )
    job.write_text("#!/bin/bash\n# mine\n")
    with h5py.File(data, "w") as file:
        file["x"] = np.eye(3)
    (tmp_path / "notes").write_text("to keep\n")
    os.mkfifo(tmp_path / "fifo")
    before = {path: path.read_bytes() for path in (job, data, tmp_path / "notes")}
    done = run(0, *words, job).ended(3)
    assert (
        done.messages
        == [f"hpcpca: error: --sbatch {job} exists; name another file, or give --overwrite"]
        and not done.stdout
    )
    other = "exists and is no batch file"
    refused = {
        data: other,
        tmp_path / "notes": other,
        tmp_path: "is a folder",
        tmp_path / "fifo": "is a pipe; name a file with --sbatch",
    }
    for path, told in refused.items():
        for more in ((), ("--overwrite",)):
            (message,) = run(0, *words, path, *more).ended(3).messages
            assert f"{path} {told}" in message
    assert before == {path: path.read_bytes() for path in before}
    run(0, *words, job, "--overwrite").ok()
    assert "hpcpca_run" in job.read_text()
    (message,) = run(0, *words, tmp_path / "none" / "job.sh").ended(3).messages
    assert f"folder {tmp_path / 'none'} of " in message and "does not exist" in message
    assert {path.name for path in tmp_path.iterdir()} == {"job.sh", "s0.h5", "notes", "fifo"}


def test_text_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    (tmp_path / "job.sh").write_text("#!/bin/bash\n")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(DataError, match="job.sh cannot be written: No space left on device"):
        outputs.write_text(str(tmp_path / "job.sh"), "#!/bin/bash\nother\n")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["#!/bin/bash\n"]
