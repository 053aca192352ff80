"""How far a long reading is."""

import numpy as np
import pytest
import spectra
from launch import launched, run

from hpcpca.sources import watch
from hpcpca.sources.watch import Passage

pytestmark = pytest.mark.once


def test_lines_come_now_and_then(monkeypatch):
    """The first after some seconds, none at the end; what is left is forecast."""
    clock, said = [0.0], []
    monkeypatch.setattr(watch.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(Passage, "tell", said.append)
    passage = Passage(1000)
    for _ in range(100):
        clock[0] += 1
        passage.done(10)
    assert said[0] == (
        "pass: 50 of 1,000 rows of the first rank's share (5 %), 10 rows a second,"
        " about 95.0 s left"
    )
    assert [line.split()[1] for line in said] == "50 100 150 230 350 530 800".split()
    quick = Passage(1000)
    quick.done(999)
    assert len(said) == 7


AT_ONCE = "import hpcpca.sources.watch as watch; watch.FIRST = 0"


@pytest.mark.parametrize("what", ["in-memory", "streaming", "verify", "transform"])
def test_commands_say_how_far_they_are(tmp_path, what):
    """From one rank; not if they are quiet."""
    rows = spectra.data_rows(spectra.power_law(8), 120)
    data = tmp_path / "x"
    spectra.write_shards(data, **{f"s{i}": part for i, part in enumerate(np.split(rows, 6))})
    out, fit = tmp_path / "a.h5", ("fit", data, "-k", 2, "-o", tmp_path / "a.h5")
    words = (*fit, "--operator", what)
    if what in ("verify", "transform"):
        run(1, *fit, "-q").ok()
        words = (what, out, data, *(("-o", tmp_path / "s.h5") if what == "transform" else ()))
    done = launched(2, *words, inject=AT_ONCE).ok()
    lines = [line for line in done.stderr.splitlines() if line.startswith("pass: ")]
    assert lines and all(" of 60 rows of the first rank's share" in line for line in lines), lines
    if what == "streaming":
        words = (*words, "--overwrite", "-q")
        assert "pass: " not in launched(2, *words, inject=AT_ONCE).ok().stderr
