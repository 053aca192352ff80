"""A task for a network that knows English: of a Debian package's line of description, its section.
What there is depends on the release; its count and hash are told.
"""

import functools
import hashlib
import re
from dataclasses import dataclass

import numpy as np

from ...errors import PlatformError
from ..process import output_of

SECTIONS = (
    *("admin", "database", "editors", "electronics", "games", "graphics", "hamradio", "mail"),
    *("math", "net", "science", "sound", "text", "video", "web", "x11"),
)
PARTS = re.compile(r"-(dev|doc|dbg|data|common)$")  # of packages: not what they are for
HELD_OUT = 2000


@dataclass(frozen=True)
class Packages:
    """Descriptions, and numbers of their sections (n)."""

    texts: list
    labels: np.ndarray

    def __len__(self):
        return len(self.texts)

    @property
    def hash(self):
        """Of all that is in them: 16 digits."""
        lines = (f"{label} {text}\n" for text, label in zip(self.texts, self.labels))
        return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


def packages_in(listing):
    """Return the ``Packages`` of an ``apt-cache dumpavail``: one of every source, none twice."""
    entries = [
        dict(re.findall(r"^([\w-]+): (.*)$", entry, re.MULTILINE))
        for entry in listing.split("\n\n")
    ]
    # Their order there changes with what is installed.
    entries.sort(key=lambda fields: fields.get("Package", ""))
    texts, labels, sources, seen = [], [], set(), set()
    for fields in entries:
        name, text = fields.get("Package", ""), fields.get("Description", "").strip()
        source, section = fields.get("Source", name).split(" ")[0], fields.get("Section")
        if section not in SECTIONS or PARTS.search(name) or not text:
            continue
        if source in sources or text in seen:
            continue
        sources.add(source)
        seen.add(text)
        texts.append(text)
        labels.append(SECTIONS.index(section))
    return Packages(texts, np.array(labels, np.int32))


@functools.cache
def descriptions():
    """Packages to learn from, and ``HELD_OUT`` to judge by; raise PlatformError."""
    every = packages_in(output_of(["apt-cache", "dumpavail"]))
    if len(every) < 2 * HELD_OUT:
        raise PlatformError(
            f"apt-cache knows {len(every)} packages that would do; this is for Debian, after"
            " 'apt-get update'"
        )
    order = np.random.default_rng(0).permutation(len(every))
    return tuple(
        Packages([every.texts[i] for i in rows], every.labels[rows])
        for rows in (order[HELD_OUT:], order[:HELD_OUT])
    )
