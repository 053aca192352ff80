"""Descriptions of data, as results and checkpoints have them, compared."""

import os


def other_data(described, stored):
    """What differs between two descriptions of data beside paths and times, or None."""
    if len(described) != len(stored):
        return f"{len(described)} files instead of {len(stored)}"
    for part, before in zip(described, stored):
        for key in ("dataset", "rows", "columns", "dtype"):
            if part[key] != before[key]:
                return f"{part['path']} has {key} {part[key]} instead of {before[key]}"
        if part["content"] != before["content"]:
            return f"{part['path']} holds other values"
    return None


def holds_same(part, before):
    """Whether two descriptions of files are of the same one, by its name in its folder, its dataset
    and what it holds, and both have rows that are taken.
    """
    same = ("dataset", "columns", "dtype", "content")
    names = {os.path.basename(each["path"]) for each in (part, before)}
    has_rows = part["rows"] and before["rows"]
    return bool(has_rows) and len(names) == 1 and all(part[key] == before[key] for key in same)
