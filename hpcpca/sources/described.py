"""Descriptions of data, as results and checkpoints have them, compared."""


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
