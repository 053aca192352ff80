"""Texts as numbers of pieces of words (WordPiece, without capitals and accents)."""

import unicodedata

import numpy as np

LONGEST = 100  # letters of a word that is looked up
START, STOP, UNKNOWN, CONTINUED = "[CLS]", "[SEP]", "[UNK]", "##"


class WordPieces:
    """The pieces of a vocabulary, a list by number."""

    def __init__(self, vocabulary):
        self._numbers = {piece: number for number, piece in enumerate(vocabulary)}

    def numbers(self, text, length):
        """The numbers of a text's pieces between start and stop, ``length`` at most."""
        found = [self._numbers[each] for word in words(text) for each in self._pieces(word)]
        start, stop = self._numbers[START], self._numbers[STOP]
        return [start, *found[: length - 2], stop]

    def padded(self, texts, length):
        """(Numbers (n, length) int32, zero behind the end; which there are (n, length) bool)."""
        rows = np.zeros((len(texts), length), np.int32)
        there = np.zeros(rows.shape, bool)
        for row, is_there, text in zip(rows, there, texts):
            found = self.numbers(text, length)
            row[: len(found)], is_there[: len(found)] = found, True
        return rows, there

    def _pieces(self, word):
        """The longest piece that a word begins with, that the rest begins with, and so on."""
        found, at = [], 0
        while at < len(word):
            head = CONTINUED if at else ""
            ends = range(len(word), at, -1) if len(word) <= LONGEST else ()
            stop = next((end for end in ends if head + word[at:end] in self._numbers), None)
            if stop is None:
                return [UNKNOWN]
            found.append(head + word[at:stop])
            at = stop
        return found


def words(text):
    """Runs of letters and figures, small and without accents; every other sign by itself."""
    plain = unicodedata.normalize("NFD", text.lower())
    signs = []
    for sign in plain:
        kind = unicodedata.category(sign)
        if kind == "Mn" or (kind[0] == "C" and not sign.isspace()):
            continue
        alone = kind[0] == "P" or (sign.isascii() and kind[0] == "S") or _is_ideograph(sign)
        signs.append(f" {sign} " if alone else sign)
    return "".join(signs).split()


def _is_ideograph(sign):
    return any(low <= ord(sign) <= high for low, high in IDEOGRAPHS)


IDEOGRAPHS = (
    *((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF)),
    *((0x2A700, 0x2CEAF), (0x2F800, 0x2FA1F)),
)
