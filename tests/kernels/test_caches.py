"""Sizes of caches, as Linux tells them."""

import pytest

from hpcpca.kernels.caches import USUAL, cache_bytes

pytestmark = pytest.mark.once


def test_sizes_of_caches_that_hold_data(tmp_path):
    caches = [("1", "Instruction", "64K"), ("1", "Data", "48K"), ("2", "Unified", "2M")]
    for number, texts in enumerate(caches):
        folder = tmp_path / f"index{number}"
        folder.mkdir()
        for name, text in zip(("level", "type", "size"), texts):
            (folder / name).write_text(text + "\n", "ascii")
    assert cache_bytes(1, tmp_path) == 48 << 10 and cache_bytes(2, tmp_path) == 2 << 20


def test_usual_sizes_where_none_are_told(tmp_path):
    assert cache_bytes(2, tmp_path) == USUAL[2]
