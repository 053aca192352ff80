"""``hpcpca report``: pages that are whole, load nothing, and say what the file has."""

import re
from collections import Counter
from html.parser import HTMLParser

import h5py
import numpy as np
import pytest
from launch import batch
from spectra import data_rows, power_law

pytestmark = pytest.mark.once

N, D, K = 200, 12, 3
ODD = "a<b>&\"c'.h5"
EMPTY = {"meta", "br", "path", "use", "image", "rect", "circle", "line"}


class Reader(HTMLParser):
    """What a page is made of; raises AssertionError where tags do not close as they open."""

    def __init__(self, text):
        super().__init__()
        self.open, self.count, self.ids, self.links, self.cells, self.text = (
            [],
            Counter(),
            [],
            [],
            [],
            [],
        )
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.count[tag] += 1
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.links += [
            each for name, each in attrs.items() if name in ("href", "src", "xlink:href")
        ]
        self.links += re.findall(r"url\((.*?)\)", " ".join(filter(None, attrs.values())))
        if tag not in EMPTY:
            self.open.append(tag)
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in EMPTY:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in EMPTY:
            assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text.append(data)
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1][-1] += data


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    here = tmp_path_factory.mktemp("report")
    rows = data_rows(power_law(D), N)
    with h5py.File(here / "x.h5", "w") as file:
        file["X"], file["kind"] = rows, np.arange(N) % 3
        names = [f"<script>gene {k}</script>" for k in range(D)]
        file.create_dataset("column_names", data=names, dtype=h5py.string_dtype())
    with h5py.File(here / "y.h5", "w") as file:
        file["Y"] = rows[:, :4] @ np.ones((4, 5)) + data_rows(power_law(5), N, seed=1)
    with h5py.File(here / "pictures.h5", "w") as file:
        file["P"] = rows.reshape(N, 3, 4)
    with h5py.File(here / "g.h5", "w") as file:
        file["layer/kernel"], file["bias"] = rows, rows[0]
    with h5py.File(here / "modules.h5", "w") as file:
        for name in "ab":
            file[f"{name}/X"], file[f"{name}/Y"] = rows[:, :6], rows[:, 6:]
    fits = {
        "fit": ("fit", "x.h5", "-k", K, "-o", ODD),
        "pictures": ("fit", "pictures.h5", "-k", K, "-o", "pictures.pca"),
        "regress": ("regress", "x.h5", "--targets", "y.h5", "-r", 2, "-o", "model.h5"),
        "compress": ("compress", "g.h5", "-r", 2, "-o", "low.h5"),
        "scores": ("transform", ODD, "x.h5", "-o", "scores.h5"),
        "modules": ("regress", "--modules", "modules.h5", "--budget", 3, "-o", "many.h5"),
    }
    for done in batch(1, fits, cwd=here).values():
        done.ok()
    slow = ("fit", "x.h5", "-k", K, "--exchange", "vectors", "--max-rounds", 3, "-o", "slow.h5")
    none = ("fit", "x.h5", "-k", K, "-o", "none.h5", "--max-time", "0.01s")
    done = batch(1, {4: slow, 75: none}, cwd=here)
    for code, each in done.items():
        each.ended(code)
    return here


PAGES = {
    ODD: 3 + K + 1,
    "pictures.pca": 3 + K,
    "model.h5": 3 + 2 * 2,
    "low.h5": 2,
    "many.h5": None,
    "slow.h5.ckpt": 3 + K,
}
MORE = {ODD: ("--scores", "scores.h5", "--colour", "x.h5:kind")}


@pytest.fixture(scope="module")
def pages(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("pages")
    words = {
        name: ("report", name, "-o", out / f"{number}.html", *MORE.get(name, ()))
        for number, name in enumerate(PAGES)
    }
    for done in batch(1, words, cwd=folder).values():
        done.ok()
    return {name: (out / f"{number}.html").read_text() for number, name in enumerate(PAGES)}


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_whole(pages, name):
    """Tags close, ids are unique and all that is meant by them is there; nothing is loaded."""
    text = pages[name]
    page = Reader(text)
    assert PAGES[name] in (page.count["svg"], None)
    assert not {"script", "link", "iframe", "img"} & set(page.count)
    assert [each for each, count in Counter(page.ids).items() if count > 1] == []
    inside = {each[1:] for each in page.links if each.startswith("#")}
    assert inside <= set(page.ids)
    assert all(each.startswith(("#", "data:image/png;base64")) for each in page.links), page.links
    assert "@import" not in text and "prefers-color-scheme: dark" in text and "@media print" in text
    assert "#1a2b3c" not in text and (not page.count["svg"] or "currentColor" in text)


def test_what_a_page_says(folder, pages):
    """Eigenvalues, shares, residuals and bounds of the file; names as text, not as tags."""
    page = Reader(pages[ODD])
    with h5py.File(folder / ODD) as file:
        variance, ratio = file["explained_variance"][...], file["explained_variance_ratio"][...]
        residuals, bounds = file["residuals"][...], file["angle_bounds"][...]
        seal = f"{int(file.attrs['seal']):08x}"
    rows = [row for row in page.cells if len(row) == 7 and row[0].isdigit()]
    for k, row in enumerate(rows):
        assert np.isclose(float(row[1]), variance[k], rtol=1e-6)
        assert (
            row[2] == f"{100 * ratio[k]:.2f} %" and row[3] == f"{100 * ratio[: k + 1].sum():.2f} %"
        )
        assert row[4:6] == [f"{residuals[k]:.1e}", f"{bounds[k]:.1e}"] and row[6] == "resolved"
    assert len(rows) == K and ["Seal (checksum)", seal] in page.cells
    text = "".join(page.text)
    assert f"Principal components: {ODD}" in text and "<script>gene" in text
    assert "arXiv:2502.17615" in text and 'data = ["x.h5"]' in text
    assert "x.h5:X" in text and "200 rows." in text and "not converged" not in text


def test_other_problems(pages):
    assert "Low-rank regression" in pages["model.h5"] and "R²" in pages["model.h5"]
    low = Reader(pages["low.h5"])
    (row,) = [row for row in low.cells if row and row[0] == "layer/kernel"]
    assert row[1:4] == ["200", "12", "2"] and "Averaged as they are: bias." in "".join(low.text)
    assert "max_rounds" not in pages["model.h5"] and 'class="chip odd"' in pages["slow.h5.ckpt"]


def test_what_has_no_report(folder, tmp_path):
    (tmp_path / "notes.html").write_text("my notes")
    (tmp_path / "old.html").write_text("<!DOCTYPE html>")
    out = ("-o", tmp_path / "a.html")
    cases = {
        ("none.h5.ckpt", *out): (3, "nothing was measured yet"),
        ("x.h5", *out): (3, "not a result"),
        ("no.h5", *out): (3, "no such file"),
        ("low.h5", "-o", tmp_path / "old.html"): (3, "--overwrite"),
        ("low.h5", "-o", tmp_path / "notes.html", "--overwrite"): (3, "is no page of HTML"),
        ("low.h5", "-o", "low.h5", "--overwrite"): (2, "would overwrite"),
        ("pictures.pca", "--images", "5x5", *out): (2, "5x5 are 25 pixels"),
        ("slow.h5", "--scores", "scores.h5", *out): (3, "of other components"),
        (ODD, "--colour", "x.h5:kind", *out): (2, "--colour goes with --scores"),
    }
    done = batch(1, {words: ("report", *words) for words in cases}, cwd=folder)
    for words, each in done.items():
        code, told = cases[words]
        assert len(each.ended(code).messages) == 1 and told in each.messages[0], each
    assert not (tmp_path / "a.html").exists()
