"""The shell functions of the batch scripts, with commands that play SLURM's part: what is run,
and when it is requeued.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
import spectra
from launch import PATIENCE, environment, run, wait_for
from slow_reading import D, K, N, slowed

pytestmark = pytest.mark.once


ROOT = Path(__file__).resolve().parent.parent.parent
SRUN = '#!/bin/bash\nwhile [[ $1 == -* ]]; do shift; done\nexec "$@"\n'
SCONTROL = '#!/bin/bash\necho "$@" >>requeued\n'
# plays hpcpca: checkpoints hold what `status --json` would say of them
HPCPCA = (
    '#!/bin/bash\nif [ "$1" = status ]; then exec cat "$3"; fi\nprintf "%s\\n" "$@" >words\neval'
    ' "$PLAY"\n'
)
# hpcpca itself, slow to read until its job is started again
SLOW = """#!{python}
import os
if os.environ["SLURM_RESTART_COUNT"] == "0":
    exec({code!r})
from hpcpca.__main__ import main
main()
"""


class Job:
    """A folder to submit from, its commands, and what came of the last start."""

    def __init__(self, here, hpcpca=HPCPCA):
        self.here = here
        shutil.copytree(ROOT / "slurm", here / "slurm")
        for name, text in {
            "srun": SRUN,
            "scontrol": SCONTROL,
            "squeue": "#!/bin/bash\nexit 1\n",
            "hpcpca": hpcpca,
        }.items():
            path = here / "bin" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            path.chmod(0o755)

    def begin(self, script="fit.sbatch", *words, **variables):
        """Start a script as SLURM does; return its process."""
        variables = {
            "PATH": f"{self.here / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": ROOT,
            "SLURM_SUBMIT_DIR": self.here,
            "SLURM_JOB_ID": 7,
            "SLURM_RESTART_COUNT": 0,
            "OUT": "out.h5",
            "DATA": None,
            "K": None,
            "LAUNCH": None,
            **variables,
        }
        (self.here / "requeued").unlink(missing_ok=True)
        with open(self.here / "log", "w") as log:
            return subprocess.Popen(
                ["bash", self.here / "slurm" / script, *words],
                cwd=self.here,
                env=environment(**variables),
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def start(self, *words, **variables):
        """The exit code of a script."""
        return self.begin(*words, **variables).wait(PATIENCE)

    @property
    def log(self):
        return (self.here / "log").read_text()

    @property
    def words(self):
        return (self.here / "words").read_text().splitlines()

    @property
    def requeued(self):
        path = self.here / "requeued"
        return path.read_text().splitlines() if path.exists() else []


def writes(outcome, reason="", keep=False):
    """Shell for a run that writes a checkpoint, as hpcpca does: under another name, then
    renamed.
    """
    said = f'{{"state": "perhaps running", "outcome": "{outcome}", "reason": "{reason}"}}'
    return (
        f"echo '{said}' >.part; "
        + "mv out.h5.ckpt out.h5.ckpt.1; " * keep
        + "mv .part out.h5.ckpt; "
    )


STOPPED = writes("interrupted", "SIGUSR1 received")


@pytest.mark.parametrize(
    "before, play, code, is_requeued",
    [
        ("", STOPPED, 75, True),
        (STOPPED, STOPPED, 75, True),
        ("", STOPPED, 137, True),
        (
            STOPPED,
            writes("interrupted", "the SLURM job is about to end", keep=True),
            1,
            True,
        ),  # srun's own codes
        (STOPPED, "", 75, True),  # the checkpoint's folder is seen late
        *(
            (STOPPED, "", code, False) for code in (0, 1, 2, 3, 4, 5, 126, 127, 137)
        ),  # of an earlier start
        *(
            (STOPPED, STOPPED, code, False) for code in (0, 2, 3, 5, 126, 127)
        ),  # would be the same next time
        ("", "", 1, False),
        ("", writes("running"), 1, False),
        (STOPPED, writes("running"), 137, False),
        (STOPPED, writes("max_rounds"), 4, False),
        (STOPPED, "mv out.h5.ckpt out.h5.ckpt.1; ", 137, False),  # killed between two renames
        ("", writes("interrupted", "SIGTERM received"), 75, False),
        ("", writes("interrupted", "SIGTERM received"), 143, False),
    ],
)
def test_requeued_only_where_this_start_stopped_in_time(tmp_path, before, play, code, is_requeued):
    job = Job(tmp_path)
    subprocess.run(["bash", "-c", before], cwd=tmp_path, check=True)
    assert job.start(PLAY=f"{play}exit {code}") == code
    assert job.requeued == ["requeue 7"] * is_requeued, job.log


@pytest.mark.parametrize(
    "outcome, count, words, is_done",
    [
        ("converged", 1, (), True),
        ("converged", 0, (), False),
        ("max_rounds", 1, (), False),
        ("converged", 1, ("--overwrite",), False),
        (None, 1, (), False),
    ],
)
def test_a_job_put_back_after_its_result_was_written(tmp_path, outcome, count, words, is_done):
    """It is done where this job has done it; whoever starts another one is told by fit that the
    file is there.
    """
    job = Job(tmp_path)
    if outcome:
        (tmp_path / "out.h5").write_text(f'{{"state": "finished", "outcome": "{outcome}"}}')
    assert job.start("fit.sbatch", *words, SLURM_RESTART_COUNT=count, PLAY="exit 3") == (
        0 if is_done else 3
    ), job.log
    assert (
        (tmp_path / "words").exists() != is_done
        and not job.requeued
        and ("out.h5 is there" in job.log) == is_done
    )


def test_requeued_so_often_and_no_more(tmp_path):
    job = Job(tmp_path)
    for count, is_requeued in ((2, True), (3, False)):
        job.start(PLAY="exit 75", REQUEUES=3, SLURM_RESTART_COUNT=count)
        assert bool(job.requeued) == is_requeued


@pytest.mark.parametrize(
    "there, words",
    [
        ((), ["fit", "data.h5", "-k", "8", "-o", "out.h5"]),
        (("out.h5.ckpt",), ["resume", "out.h5.ckpt"]),
        (("out.h5.ckpt.1",), ["resume", "out.h5.ckpt"]),
    ],
)
def test_goes_on_from_what_a_kill_left(tmp_path, there, words):
    """Between the two renames of a checkpoint there is only the one before."""
    job = Job(tmp_path)
    for name in there:
        (tmp_path / name).touch()
    job.start(DATA="data.h5")
    assert job.words == words


@pytest.mark.parametrize(
    "text, line, words",
    [
        ("a.h5 1.h5\nb.h5 2.h5\n", 1, ["a.h5", "1.h5"]),
        ("a.h5 1.h5\nb.h5 2.h5\n", 2, ["b.h5", "2.h5"]),
        ("a.h5 1.h5\nb.h5 2.h5", 2, ["b.h5", "2.h5"]),
        ("my\\ data/*.h5 out\\ 1.h5", 1, ["my data/*.h5", "out 1.h5"]),
        ("a.h5 1.h5\n", 2, None),
        ("a.h5 1.h5\nb.h5\n", 2, None),
        ("a.h5 1.h5\n\n", 2, None),
    ],
)
def test_a_task_of_an_array_has_its_line(tmp_path, text, line, words):
    job = Job(tmp_path)
    (tmp_path / "list.txt").write_text(text)
    code = job.start(
        "array.sbatch", SLURM_ARRAY_TASK_ID=line, SLURM_ARRAY_JOB_ID=7, PLAY="exit 75", out="x"
    )
    if words:
        assert job.words == ["fit", words[0], "-k", "8", "-o", words[1]] and job.requeued == [
            f"requeue 7_{line}"
        ]
    else:
        assert code == 3 and job.log == f"array.sbatch: no line {line} 'DATA OUT' in list.txt\n"


def test_a_launcher_that_is_not_there_is_not_called_twice(tmp_path):
    job = Job(tmp_path)
    subprocess.run(["bash", "-c", STOPPED], cwd=tmp_path, check=True)
    assert job.start(LAUNCH="no-such-launcher") == 127 and not job.requeued


@pytest.mark.parametrize("script", ["fit.sbatch", "array.sbatch"])
def test_patterns_names_with_spaces_and_words_behind_the_script_reach_hpcpca_as_they_are(
    tmp_path, script
):
    job = Job(tmp_path)
    spectra.write_shards(
        tmp_path / "my data", s1=spectra.data_rows(spectra.exponential(4, 0.9), 10)
    )
    (tmp_path / "list.txt").write_text("my\\ data/*.h5 my\\ pca.h5\n")
    job.start(
        script, "--log-json", "my log", DATA="my data/*.h5", OUT="my pca.h5", SLURM_ARRAY_TASK_ID=1
    )
    assert job.words == [
        "fit",
        "my data/*.h5",
        "-k",
        "8",
        "--log-json",
        "my log",
        "-o",
        "my pca.h5",
    ]


@pytest.mark.once
def test_the_order_of_files_is_natural(tmp_path):
    """hpcpca itself, on a pattern that the shell would bring into another order."""
    job = Job(tmp_path, f'#!/bin/bash\nexec {sys.executable} -m hpcpca "$@"\n')
    rows = spectra.data_rows(spectra.exponential(D, 0.9), N, mean=3.0)
    spectra.write_shards(tmp_path / "my data", s1=rows[:1000], s2=rows[1000:1234], s10=rows[1234:])
    assert job.start(DATA="my data/*.h5", K=K) == 0, job.log
    with h5py.File(tmp_path / "out.h5") as file:
        assert [Path(part["path"]).name for part in json.loads(file.attrs["source"])] == [
            "s1.h5",
            "s2.h5",
            "s10.h5",
        ]


@pytest.mark.once
def test_stopped_requeued_and_not_requeued_for_data_that_are_gone(tmp_path):
    """hpcpca itself: stopped by USR1; its data moved away; and back, as if it had been killed
    between two renames.
    """
    job = Job(tmp_path, SLOW.format(python=sys.executable, code=slowed(4)))
    rows = spectra.data_rows(spectra.exponential(D, 0.9), N, mean=3.0)
    spectra.write_shards(tmp_path / "data", s1=rows[:1234], s2=rows[1234:])
    process = job.begin(DATA="data", K=K)
    wait_for(lambda: "operator:" in job.log or process.poll() is not None)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(PATIENCE) == 75 and job.requeued == ["requeue 7"], job.log
    (tmp_path / "data").rename(tmp_path / "moved")
    assert job.start(DATA="data", K=K, SLURM_RESTART_COUNT=1) == 3 and not job.requeued, job.log
    (tmp_path / "moved").rename(tmp_path / "data")
    (tmp_path / "out.h5.ckpt").rename(tmp_path / "out.h5.ckpt.1")
    assert job.start(DATA="data", K=K, SLURM_RESTART_COUNT=1) == 0 and not job.requeued, job.log
    assert "hpcpca resume out.h5.ckpt (start 1)" in job.log
    run(0, "verify", tmp_path / "out.h5", tmp_path / "data").ok()
