"""Adapters as peft has them: a folder with ``adapter_model.safetensors`` and
``adapter_config.json``.
"""

import json
import os
import re
import shutil
from collections import Counter
from uuid import uuid4

import numpy as np

from ..errors import DataError, UsageError, describe
from ..files.outputs import check_replaced, write_text
from ..files.paths import check_writable, is_folder, temporary
from ..files.safetensors import CODES, read_tensors, write_tensors
from .adapter import Adapter, pointed

TENSORS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
PREFIX = "base_model.model."
A, B, BIAS = "lora_A.weight", "lora_B.weight", "lora_B.bias"
LARGEST, LONGEST = 1e30, 60  # of scales, which float32 has to hold; of what is shown of an entry
NOT_READ = ("use_dora", "fan_in_fan_out")  # which mean another product


def check_folder(path, overwrite, option="path"):
    """Raise DataError unless an adapter can be written to the folder ``path``, which ``option``
    names: none is there, or an adapter that may go. Raise UsageError for no name.
    """
    if not path.strip():
        raise UsageError(f"{option} '': name a folder")
    parent = os.path.dirname(os.path.realpath(path))
    if not is_folder(parent):
        raise DataError(f"folder {parent} of {path} does not exist; make it first")
    check_writable(parent, option)
    check_replaced(path, option, overwrite, _is_other, "adapter")


def _is_other(path):
    """Whether something else than an adapter, and nothing beside it, is at ``path``."""
    return not os.path.isdir(path) or set(os.listdir(path)) != {TENSORS, CONFIG}


def config_of(adapter, base):
    """Return what the configuration says: ranks by module, and a scale of 1 for all."""
    ranks = adapter.ranks
    usual = Counter(ranks.values()).most_common(1)[0][0]
    other = {name: r for name, r in ranks.items() if r != usual}
    pattern = {f"^{re.escape(name)}": r for name, r in other.items()}
    # older ones know names, or ends of them
    pattern |= {name: r for name, r in other.items() if not _is_end(name, ranks)}
    config = {
        "peft_type": "LORA",
        "base_model_name_or_path": base,
        "r": usual,
        "lora_alpha": usual,
        "rank_pattern": pattern,
        "alpha_pattern": pattern,
        "target_modules": list(ranks),
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "task_type": None,
    }
    return config | ({"lora_bias": True} if adapter.biases else {})  # older ones refuse the word


def _is_end(name, names):
    return any(each.endswith(f".{name}") for each in names)


def save(adapter, path, *, overwrite=False, base=None, dtype=np.float32):
    """Write an ``Adapter`` to the folder ``path``, whole or not at all; raise DataError.

    ``base``: the name of the network, or None. Modules with a bias make all have one, zero where
    there is none, as peft has it; a module without pairs gets one of zeros. For one rank.
    """
    path = os.fspath(path)
    check_folder(path, overwrite)
    adapter = _for_peft(adapter)
    tensors = _tensors(adapter, dtype)
    real = os.path.realpath(path)
    # Names of its own: another process may be writing there too.
    part, before = (temporary(f"{real}.{uuid4().hex[:8]}{end}") for end in ("", ".old"))
    try:
        os.mkdir(part)
        write_tensors(os.path.join(part, TENSORS), tensors, {"format": "pt"})
        write_text(os.path.join(part, CONFIG), json.dumps(config_of(adapter, base), indent=2))
        if os.path.exists(real):
            os.rename(real, before)
        os.rename(part, real)
    except OSError as error:
        if os.path.exists(before) and not os.path.exists(real):
            os.rename(before, real)
        raise DataError(f"{path} cannot be written: {describe(error)}; name another") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(before, ignore_errors=True)


def _for_peft(adapter):
    """The adapter with names and pairs that peft knows; raise UsageError if there are none."""
    pairs = {}
    for name, (a, b) in adapter.pairs.items():
        if pointed(name) in pairs:
            raise UsageError(f"two modules would both be {pointed(name)}; rename one")
        none = (np.zeros((1, side.shape[1]), side.dtype) for side in (a, b))
        pairs[pointed(name)] = (a, b) if len(a) else tuple(none)
    if not any(map(len, (a for a, _ in adapter.pairs.values()))):
        raise UsageError("the adapter has no pairs; give one that has")
    return Adapter(pairs, {pointed(name): bias for name, bias in adapter.biases.items()})


def _tensors(adapter, dtype):
    """{name: array} of what is stored; raise UsageError for a dtype that is not, or numbers that
    are not finite.
    """
    if np.dtype(dtype).kind != "f" or np.dtype(dtype) not in CODES:
        raise UsageError(
            f"dtype {np.dtype(dtype)} is not written; give float16, float32 or float64"
        )
    tensors = {}
    for name, (a, b) in adapter.pairs.items():
        found = {A: a, B: b.T}
        if adapter.biases:
            found[BIAS] = adapter.biases.get(name, np.zeros(b.shape[1]))
        for what, each in found.items():
            with np.errstate(over="ignore"):
                each = np.asarray(each, dtype)
            if not np.isfinite(each).all():
                raise UsageError(
                    f"module {name} has numbers that are not finite in {np.dtype(dtype)}; train it"
                    " anew at a lower rate, or give a wider dtype"
                )
            tensors[f"{PREFIX}{name}.{what}"] = each
    return tensors


def load(path):
    """Return the ``Adapter`` in the folder ``path``, its scales multiplied into b; raise DataError.

    Factors are float32, or float64 if that is what is stored.
    """
    config = _config(os.path.join(path, CONFIG))
    file = os.path.join(path, TENSORS)
    tensors, _ = read_tensors(file)
    pairs, biases = {}, {}
    for key, b in tensors.items():
        if not key.endswith(f".{B}"):
            continue
        name = key.removesuffix(f".{B}")
        a = tensors.get(f"{name}.{A}")
        if a is None or a.ndim != 2 or b.ndim != 2 or not 0 < len(a) == b.shape[1]:
            raise DataError(f"{file}: {name} has no {A} of the rank of {B}; get the file again")
        plain = name.removeprefix(PREFIX)
        scale = _scale(config, plain, len(a))
        kind = np.float64 if a.dtype == np.float64 else np.float32
        pairs[plain] = (a.astype(kind), scale * b.T.astype(kind))
        if f"{name}.{BIAS}" in tensors:
            biases[plain] = scale * tensors[f"{name}.{BIAS}"].astype(kind)
    if not pairs:
        raise DataError(f"{file} has no {A} and {B}; name a folder with a LoRA adapter of peft")
    return Adapter(pairs, biases)


def _config(path):
    try:
        with open(path, encoding="utf-8") as file:
            config = json.load(file)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {describe(error)}; name a folder with an adapter of peft"
        ) from None
    except ValueError:
        raise DataError(f"{path} is not JSON; get the adapter again") from None
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        kind = config.get("peft_type") if isinstance(config, dict) else None
        raise DataError(f"{path}: peft_type is {kind}; only LORA is read")
    for name in NOT_READ:
        if config.get(name):
            raise DataError(f"{path}: {name} is set, which is not read; name another adapter")
    for entry, value, wanted in _wrong(config):
        found = json.dumps(value)[:LONGEST]
        raise DataError(f"{path}: {entry} is {found}, not {wanted}; get the adapter again")
    return config


def _wrong(config):
    """Yield (entry, its value, what it should be) of those that are not what scales are made of."""
    patterns = config.get("alpha_pattern") or {}
    if not isinstance(patterns, dict):
        yield "alpha_pattern", patterns, "a table"
        patterns = {}
    given = [("lora_alpha", config["lora_alpha"])] if "lora_alpha" in config else []
    given += [(f"alpha_pattern {json.dumps(name)}", each) for name, each in patterns.items()]
    for entry, value in given:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not (is_number and abs(value) <= LARGEST):
            yield entry, value, "a finite number"
    for pattern in patterns:
        try:
            _fits(pattern, "")
        except (re.error, OverflowError, RecursionError):
            yield "a name in alpha_pattern", pattern, "a regular expression"
    if not isinstance(config.get("use_rslora") or False, bool):
        yield "use_rslora", config["use_rslora"], "true or false"


def _fits(pattern, name):
    """Whether a pattern of peft's means a module: its name, or an end of it behind a point."""
    return re.match(rf"(.*\.)?({pattern})$", name) is not None


def _scale(config, name, rank):
    """α/r of a module, or α/√r."""
    alpha = config.get("lora_alpha", rank)
    for pattern, value in (config.get("alpha_pattern") or {}).items():
        if _fits(pattern, name):
            alpha = value
            break
    return alpha / (rank**0.5 if config.get("use_rslora") else rank)
