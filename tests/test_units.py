"""Sizes and durations as people write them; options that contradict each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcpca.cli import commands
from hpcpca.cli.options import SHORT
from hpcpca.errors import UsageError
from hpcpca.pca.settings import FitSettings
from hpcpca.units import format_seconds, format_size, parse_duration, parse_size

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    "text, expected",
    [
        ("0", 0),
        ("512", 512),
        ("2G", 2 << 30),
        ("512M", 512 << 20),
        ("1.5GiB", 3 << 29),
        ("1k", 1024),
        (" 3 T ", 3 << 40),
        ("7B", 7),
        ("64 kib", 64 << 10),
        ("1P", 1 << 50),
    ],
)
def test_sizes(text, expected):
    assert parse_size(text) == expected


@pytest.mark.parametrize(
    "text", ["", "G", "-1G", "2X", "1,5G", "1.2.3G", ".", "2GG", "nan", "2G 1M"]
)
def test_what_is_no_size(text):
    with pytest.raises(ValueError):
        parse_size(text)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("30s", 30),
        ("10m", 600),
        ("1h30m", 5400),
        ("90", 90),
        ("1.5h", 5400),
        ("2d", 172800),
        ("1h 30m", 5400),
        (" 5s ", 5),
    ],
)
def test_durations(text, expected):
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "m", "-5s", "10x", "ten", "1h30q", "1..5s", "5 minutes"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError):
        parse_duration(text)


@given(st.integers(0, 1 << 55))
def test_a_size_shown_is_read_back_to_its_last_digit(count):
    shown = format_size(count)
    assert abs(parse_size(shown) - count) <= 0.051 * count / max(1, float(shown.split()[0])) + 1


@pytest.mark.parametrize(
    "count, shown",
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (3 << 29, "1.5 GiB"),
        (5 << 50, "5120.0 TiB"),
    ],
)
def test_sizes_shown(count, shown):
    assert format_size(count) == shown


@pytest.mark.parametrize(
    "seconds, shown",
    [
        (0, "0.00 s"),
        (0.42, "0.42 s"),
        (12.34, "12.3 s"),
        (245, "4 min 05 s"),
        (119.7, "2 min 00 s"),
        (3599.6, "1 h 00 min"),
        (86400, "24 h 00 min"),
    ],
)
def test_seconds_shown(seconds, shown):
    assert format_seconds(seconds) == shown


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tol": 0},
        {"exchange": "vectors", "top1": "lanczos", "local_steps": 5, "stagger": False},
        {"basis": "all", "warm_start": True},
        {"warm_start": False, "init": "x.h5"},
        {"precision": "double", "tol": 1e-12},
        {"precision": "auto", "tol": 1e-12},
        {"covariance": True, "operator": "gram"},
        {"guards": 0},
    ],
)
def test_options_that_agree(options):
    config = FitSettings(**options)
    assert config.check() is config


@pytest.mark.parametrize(
    "options, named",
    [
        ({"top1": "power"}, "--top1"),
        ({"stagger": True}, "--stagger"),
        ({"local_steps": 2}, "--local-steps"),
        ({"exchange": "vectors", "basis": "all"}, "--basis"),
        (
            {"exchange": "vectors", "warm_start": False},
            "^--cold goes with --exchange ritz, not with the vectors",
        ),
        ({"stagger": False}, "^--no-stagger goes with --exchange vectors, not with the ritz"),
        (
            {"method": "orthogonal-iteration", "basis": "all"},
            "^--basis all goes with --method parallel-deflation or block",
        ),
        (
            {"exchange": "vectors", "advance": True, "stagger": False},
            "^--no-stagger and --advance both",
        ),
        (
            {"method": "sequential-deflation", "stagger": False},
            "^--no-stagger goes with --method parallel",
        ),
        (
            {"method": "sequential-deflation", "advance": True},
            "^--advance goes with --method parallel",
        ),
        ({"warm_start": True, "init": "x.h5"}, "--init"),
        ({"components": 0}, "^-k 0: at least 1"),
        ({"max_rounds": 0}, "--max-rounds"),
        ({"exchange": "vectors", "local_steps": 0}, "--local-steps"),
        ({"guards": -1}, "--guards"),
        ({"threads": 0}, "--threads"),
        ({"seed": -1}, "--seed"),
        ({"tol": -1e-3}, "--tol"),
        ({"tol": 1.0}, "--tol"),
        ({"tol": float("nan")}, "--tol"),
        ({"precision": "single", "tol": 1e-9}, "--tol"),
        ({"covariance": True, "operator": "in-memory"}, "--covariance"),
    ],
)
def test_options_that_contradict(options, named):
    with pytest.raises(UsageError, match=named):
        FitSettings(**options).check()


def commands_of(group, before=""):
    """Name and command of all there are."""
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        yield before + name, command
        if hasattr(command, "list_commands"):
            yield from commands_of(command, f"{before}{name} ")


def test_options_of_two_forms_are_known():
    forms = [param.opts for _, command in commands_of(commands) for param in command.params]
    found = {(long, short) for short, long in (each for each in forms if len(each) == 2)}
    assert found == {(f"--{name}", short) for name, short in SHORT.items()}


def test_a_configuration_survives_its_file():
    config = FitSettings(
        data=("a.h5", "b.h5:x"),
        components=7,
        tol=1e-9,
        top1="power",
        exchange="vectors",
        resumed_from=("c",),
    )
    assert FitSettings.restored({**config.stored(), "an option of a later version": 1}) == config
    assert FitSettings.restored(config.stored(), tol=1e-3).tol == 1e-3


def test_double_is_chosen_below_the_floor_of_single():
    assert not FitSettings(tol=1e-6).starts_in_double
    assert (
        FitSettings(tol=1e-7).starts_in_double and FitSettings(precision="double").starts_in_double
    )
    assert not FitSettings(tol=1e-6, precision="single").starts_in_double


def test_checkpoints_lie_beside_the_output():
    assert FitSettings(output="pca.h5").checkpoint_path == "pca.h5.ckpt"
    assert FitSettings(output="pca.h5", checkpoint="c").checkpoint_path == "c"
    assert FitSettings(output="pca.h5", no_checkpoint=True, checkpoint="c").checkpoint_path is None
