"""The sentence encoder, its pieces of words, and its task, small ones."""

import importlib.util

import numpy as np
import pytest

from hpcpca.bench.training.packages import SECTIONS, packages_in
from hpcpca.bench.training.word_pieces import WordPieces, words

pytestmark = pytest.mark.once
needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="JAX is not installed"
)

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "play", "##ing", "##er", "cafe", "!", "a", "中"]


def test_words():
    assert words("  Café-au lait!\tX+Y 中文\x00") == [
        *("cafe", "-", "au", "lait", "!", "x", "+", "y", "中", "文")
    ]


def test_pieces():
    """The longest first; a word that does not go up in pieces is unknown, as is an endless one."""
    pieces = WordPieces(PIECES)
    found = pieces.numbers("Playing player, CAFÉ! plays " + 101 * "a", 20)
    assert [PIECES[n] for n in found] == [
        *("[CLS]", "play", "##ing", "play", "##er", "[UNK]", "cafe", "!", "[UNK]", "[UNK]", "[SEP]")
    ]
    rows, there = pieces.padded(["a", "a a a a a"], 5)
    assert rows.tolist() == [[2, 9, 3, 0, 0], [2, 9, 9, 9, 3]]
    assert there.tolist() == [3 * [True] + 2 * [False], 5 * [True]]


LISTING = """\
Package: chess
Source: chess-suite (1.2)
Description: play chess
 long text
Section: games

Package: chess-data
Description: pieces
Section: games

Package: chess-more
Source: chess-suite
Description: play more chess
Section: games

Package: mutt
Description: mail reader
Section: mail

Package: mutt-two
Description: mail reader
Section: mail

Package: libc
Description: C library
Section: libs
"""


def test_packages():
    """One of a source, none twice, none that only belongs to another; in whatever order."""
    found = packages_in(LISTING)
    assert found.texts == ["play chess", "mail reader"]
    assert [SECTIONS[n] for n in found.labels] == ["games", "mail"]
    turned = "\n\n".join(reversed(LISTING.strip().split("\n\n")))
    assert found.hash == packages_in(turned).hash != packages_in(LISTING[30:]).hash


@needs_jax
def test_encoder_is_that_of_plain_numpy():
    """Of two layers; what is behind the end of a text does not matter."""
    from math import erf

    from hpcpca.bench.training import sentences

    width, wide, heads, random = 8, 12, 2, np.random.default_rng(0)
    sizes = {
        "embeddings.word_embeddings": (20, width),
        "embeddings.position_embeddings": (6, width),
        "embeddings.token_type_embeddings": (2, width),
        "embeddings.LayerNorm": (width,),
        "embeddings.LayerNorm.bias": (width,),
    }
    for i in range(2):
        for kind in sentences.KINDS:
            q, d = {"intermediate.dense": (wide, width), "output.dense": (width, wide)}.get(
                kind, (width, width)
            )
            sizes |= {f"encoder.layer.{i}.{kind}": (q, d), f"encoder.layer.{i}.{kind}.bias": (q,)}
        for kind in ("attention.output.LayerNorm", "output.LayerNorm"):
            sizes |= {f"encoder.layer.{i}.{kind}{end}": (width,) for end in ("", ".bias")}
    weights = {
        name: random.standard_normal(size).astype(np.float32) for name, size in sizes.items()
    }
    assert len(sentences.modules_of(weights)) == 12
    numbers = np.array([[2, 7, 9, 3, 0, 0], [2, 8, 5, 6, 11, 3]], np.int32)
    there = numbers > 0

    def normalised(name, a):
        a = a - a.mean(-1, keepdims=True)
        a = a / np.sqrt((a**2).mean(-1, keepdims=True) + 1e-12)
        return a * weights[name] + weights[f"{name}.bias"]

    def one(row):
        a = weights["embeddings.word_embeddings"][row].astype(float)
        a = a + weights["embeddings.position_embeddings"][: len(row)]
        a = normalised("embeddings.LayerNorm", a + weights["embeddings.token_type_embeddings"][0])
        for i in range(2):

            def dense(kind, a, i=i):
                name = f"encoder.layer.{i}.{kind}"
                return a @ weights[name].T + weights[f"{name}.bias"]

            q, k, v = (dense(f"attention.self.{kind}", a) for kind in ("query", "key", "value"))
            mixed = []
            for head in np.split(np.arange(width), heads):
                scores = np.exp(q[:, head] @ k[:, head].T / np.sqrt(width / heads))
                mixed.append(scores / scores.sum(axis=1, keepdims=True) @ v[:, head])
            out = dense("attention.output.dense", np.concatenate(mixed, axis=1))
            a = normalised(f"encoder.layer.{i}.attention.output.LayerNorm", a + out)
            z = dense("intermediate.dense", a)
            z = z * (1 + np.vectorize(erf)(z / np.sqrt(2))) / 2
            a = normalised(f"encoder.layer.{i}.output.LayerNorm", a + dense("output.dense", z))
        mean = a.mean(axis=0)
        return mean / np.linalg.norm(mean)

    found = np.asarray(sentences.encoded(weights, numbers, there, heads))
    expected = [one(row[is_there]) for row, is_there in zip(numbers, there)]
    assert found == pytest.approx(np.array(expected), abs=2e-4)


@needs_jax
def test_without_the_package(monkeypatch):
    from hpcpca.bench.training import sentences
    from hpcpca.errors import PlatformError

    monkeypatch.setattr(sentences, "PACKAGE", "no_such_package")
    with pytest.raises(PlatformError, match="the sentence encoder is not installed; pip install"):
        sentences.loaded.__wrapped__()
