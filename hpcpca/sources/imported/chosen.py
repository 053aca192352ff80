"""Which columns of a table are taken, by numbers or names."""

from ...errors import UsageError
from ...units import listed


def chosen(how, names, width):
    """Return the numbers of the columns that ``how``, an ``Importing``, takes of ``width``, which
    may have ``names``; None: all. Raise UsageError.
    """
    if how.columns is not None:
        return _numbers(how.columns, "--columns", names, width)
    if how.skip_columns is None:
        return None
    left_out = set(_numbers(how.skip_columns, "--skip-columns", names, width))
    taken = [number for number in range(width) if number not in left_out]
    if not taken:
        raise UsageError(f"--skip-columns {how.skip_columns}: nothing is left of {width} columns")
    return taken


def _numbers(text, option, names, width):
    names = names or []
    if text in names:
        return [_number(text, f"{option} {text}", names, width)]
    if text.count(":") == 1 and not text.strip("0123456789:"):
        first, last = (int(each) if each else None for each in text.split(":"))
        if found := list(range(width)[first:last]):
            return found
        raise UsageError(f"{option} {text}: these are no columns of {width}; name some")
    words = [word.strip() for word in text.split(",")]
    found = [_number(word, f"{option} {text}", names, width) for word in words]
    if len(set(found)) < len(found):
        raise UsageError(f"{option} {text} names a column twice; name each once")
    return found


def _number(word, asked, names, width):
    if names.count(word) > 1:
        numbers = [number for number, name in enumerate(names) if name == word]
        raise UsageError(f"{asked}: several columns are called {word}; give numbers, of {numbers}")
    if word in names:
        return names.index(word)
    if not word.isdigit():
        there = f"they are called {listed(names)}" if names else "they have no names"
        raise UsageError(f"{asked}: there is no column {word!r}; {there}")
    if int(word) >= width:
        raise UsageError(f"{asked}: there is no column {word}; they go from 0 to {width - 1}")
    return int(word)
