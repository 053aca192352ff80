"""Looks at every file a fit will write before anything is done: nothing may be lost, and no run fail at its end."""

import os

from ..errors import DataError, UsageError


def check_outputs(config, log_json, own=()):
    """Raise unless result, checkpoint and log can be written, are three files, and none is read: data or init. For one rank to call.

    What is there and not ours is not replaced, but for the files ``own``, which a run goes on from.
    """
    from ..io.paths import split_dataset
    from ..starting import open_data
    written = {"-o": config.output, "--checkpoint": config.checkpoint_path, "--log-json": log_json}
    written = {option: path for option, path in written.items() if path}
    read = {os.path.realpath(part.path): "the data" for part in open_data(config).parts}
    if config.init:
        read[os.path.realpath(split_dataset(config.init)[0])] = "the start vectors"
    seen = {}
    for option, path in written.items():
        _check_place(path, option)
        real = os.path.realpath(path)
        if real in read:
            raise UsageError(f"{option} {path} would overwrite {read[real]}; name another file")
        if real in seen:
            what = {"-o": "the result", "--checkpoint": "the checkpoint"}[seen[real]]
            raise UsageError(f"{option} {path} would overwrite {what}, not only be a {option.strip('-')} file; name another file")
        seen[real] = option
    for option, path in written.items():
        if os.path.realpath(path) not in own:
            _check_replaced(path, option)


def _check_place(path, option):
    from ..io.paths import check_writable, is_folder
    folder = os.path.dirname(path) or "."
    if not is_folder(folder):
        raise DataError(f"folder {folder} of {path} does not exist; make it first")
    if os.path.isdir(path):
        raise DataError(f"{path} is a folder; name a file with {option}")
    check_writable(folder, option)


def _check_replaced(path, option):
    """Raise DataError where a file that is there is none of ours: nobody asked to lose it."""
    from ..io.result import is_foreign
    if not os.path.exists(path):
        return
    if option == "--log-json":
        with open(path, "rb") as file:
            if file.read(1) not in (b"", b"{"):
                raise DataError(f"--log-json {path} exists and is no such log; name another file")
    elif is_foreign(path):
        raise DataError(f"{option} {path} exists and is no file of hpcpca, --overwrite will not replace it; name another file")


def check_new(config, log_json):
    """As ``check_outputs``, for a run that starts anew: no result or checkpoint may be there, or all go with --overwrite."""
    from ..io.checkpoint import remove_checkpoint
    check_outputs(config, log_json)
    checkpoint = config.checkpoint_path
    if config.overwrite:
        if checkpoint:
            remove_checkpoint(checkpoint)
        return
    if checkpoint and (os.path.exists(checkpoint) or os.path.exists(checkpoint + ".1")):
        raise DataError(f"{checkpoint} is the checkpoint of an unfinished run; go on with 'hpcpca resume {checkpoint}', or start anew with --overwrite")
    if os.path.exists(config.output):
        raise DataError(f"{config.output} exists; name another file, or give --overwrite")


def check_place_of(start, output):
    """Raise DataError where a result that is not where its run put it is to be gone on with, and no ``output`` is given: what lies there
    now may be another's, and nobody named it."""
    recorded = start.config["output"]
    if output is None and not start.is_checkpoint and os.path.realpath(start.path) != os.path.realpath(recorded):
        raise DataError(f"{start.path} is a result that was written as {recorded}: say which file is to be written, with -o {start.path} this one")


def check_resumed(config, log_json, start):
    """As ``check_outputs``, for a run that goes on from ``start``: its own result may be replaced, no other file."""
    own = {os.path.realpath(path) for path in (start.path, start.path.removesuffix(".1"), start.config["output"])}
    check_outputs(config, log_json, own)
    if os.path.exists(config.output) and os.path.realpath(config.output) not in own:
        raise DataError(f"{config.output} exists and is not the result of {start.path}; name another file with -o")
    if log_json and os.path.realpath(log_json) in own:
        raise UsageError(f"--log-json {log_json} would overwrite the file to go on from; name another")
