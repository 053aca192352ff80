"""Sizes, durations and lists as people write them."""

import re

_SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50}
LISTED = 6  # things named in a line
_TIMES = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_size(text):
    """Bytes of "2G", "512M", "1.5GiB" (powers of 1024); raise ValueError."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([KMGTP]?)(i?B)?\s*", text, re.I)
    if not match:
        raise ValueError(f"{text!r} is not a size; write 2G or 512M")
    return int(float(match[1]) * _SIZES[match[2].upper()])


def format_size(count):
    """Bytes in the largest unit that leaves at least one: "1.5 GiB"."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024 or unit == "TiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024


def parse_duration(text):
    """Seconds of "30s", "10m", "1h30m", "90"; raise ValueError."""
    parts = re.findall(r"(\d+(?:\.\d*)?)\s*([smhd]?)", text.strip())
    if not parts or "".join(a + b for a, b in parts) != text.strip().replace(" ", ""):
        raise ValueError(f"{text!r} is not a duration; write 30s, 10m or 1h30m")
    return sum(float(number) * _TIMES[unit] for number, unit in parts)


def format_seconds(seconds):
    """Seconds as "0.42 s", "12.3 s", "4 min 05 s"."""
    if seconds < 100:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return (
        f"{minutes} min {rest:02d} s"
        if minutes < 60
        else f"{minutes // 60} h {minutes % 60:02d} min"
    )


def listed(texts, between=", "):
    """The first few of ``texts`` in one."""
    return between.join([*texts[:LISTED], *["…"] * (len(texts) > LISTED)])
