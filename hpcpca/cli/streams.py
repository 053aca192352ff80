"""Standard output and error that no full disk, lost reader or narrow encoding makes fail."""

import codecs
import io
import os
import select
import sys

HANDLER, ASCII = "hpcpca", "hpcpca_ascii"  # our names of an error handler and of a codec
WORDS = {
    "α": "alpha",
    "β": "beta",
    "δ": "delta",
    "η": "eta",
    "λ": "lambda",
    "μ": "mu",
    "µ": "mu",
    "θ": "theta",
    "π": "pi",
    "ρ": "rho",
    "σ": "sigma",
    "Σ": "Sigma",
    "ℓ": "l",
    "₀": "0",
    "₁": "1",
    "₂": "2",
    "ₖ": "_k",
    "⁰": "^0",
    "¹": "^1",
    "²": "^2",
    "³": "^3",
    "⁻": "^-",
    "ᵀ": "'",
    "′": "'",
    "½": "1/2",
    "ŷ": "y",
    "\u0302": "",
    "\u0303": "~",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "≈": "~",
    "±": "+-",
    "∓": "-+",
    "×": "x",
    "÷": "/",
    "·": "*",
    "−": "-",
    "‖": "||",
    "∞": "inf",
    "°": "deg",
    "→": "->",
    "←": "<-",
    "–": "-",
    "—": "-",
    "…": "...",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "\u00a0": " ",
    "\u2011": "-",
}


def in_ascii(error):
    """Error handler of codecs: what an encoding lacks in ASCII; bytes that are no text as \\xff."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_word, error.object[error.start : error.end])), error.end


def _word(character):
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return WORDS.get(character, "?")


def _ascii_renamed(name):
    """The codec ASCII by a name of ours: click takes ASCII for a mistake, and would write UTF-8."""
    if name != ASCII:
        return None
    from encodings.ascii import IncrementalEncoder

    return codecs.CodecInfo(
        codecs.ascii_encode, codecs.ascii_decode, name=ASCII, incrementalencoder=IncrementalEncoder
    )


class _Patient(io.FileIO):
    """Drops what cannot be written; ``failure`` is the first reason."""

    failure = None

    def write(self, data):
        try:
            while (count := super().write(data)) is None:  # somebody has made it non-blocking
                select.select([], [self], [])
            return count
        except OSError as error:
            self.failure = self.failure or error
            return len(data)


def prepare():
    """Put such streams in the place of sys.stdout and sys.stderr. For the entry to call, once."""
    codecs.register_error(HANDLER, in_ascii)
    codecs.register(_ascii_renamed)
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # closed: a file opened by its number would get what libraries print
    os.close(descriptor)
    sys.stdout, sys.stderr = _patient(sys.stdout, 1), _patient(sys.stderr, 2)


def _patient(before, descriptor):
    name = codecs.lookup(before.encoding).name if before else "utf-8"
    by_line = descriptor == 2 or before is None or before.line_buffering or before.write_through
    raw = _Patient(descriptor, "wb", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), ASCII if name == "ascii" else name, HANDLER, line_buffering=by_line
    )


def failure():
    """Flush standard output; return the OSError that some of it was lost by, or None."""
    sys.stdout.flush()
    return getattr(getattr(getattr(sys.stdout, "buffer", None), "raw", None), "failure", None)
