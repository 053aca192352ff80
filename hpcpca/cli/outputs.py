"""Looks at every file a fit will write before anything is done: nothing may be lost, and no run
fail at its end.
"""

import os

from ..errors import DataError, UsageError


def check_places(config, log_json):
    """Raise unless result, checkpoint and log are to be where files can be. For one rank to call,
    before the run's lock is taken beside them."""
    from ..files.outputs import check_place

    for option, path in _written(config, log_json).items():
        check_place(path, option, is_log=option == "--log-json")


def _written(config, log_json):
    """{option: path} of what a fit writes."""
    paths = {"-o": config.output, "--checkpoint": config.checkpoint_path, "--log-json": log_json}
    return {option: path for option, path in paths.items() if path is not None}


def check_outputs(problem, log_json, own=()):
    """Raise unless result, checkpoint and log are three files, none is read, and each may be
    replaced. For one rank to call.

    What is there and not ours is not replaced, but for the files ``own``, which a run goes on from.
    """
    from ..engine.starting import own_files
    from ..files.outputs import check_apart, check_checkpoint, check_replaced

    config = problem.config
    written, read, seen = _written(config, log_json), problem.reads(own_files(config)), {}
    for option, path in written.items():
        check_apart(path, option, read)
        real = os.path.realpath(path)
        if real in seen:
            what = {"-o": "the result", "--checkpoint": "the checkpoint"}[seen[real]]
            raise UsageError(
                f"{option} {path} would overwrite {what}, not only be a {option.strip('-')} file;"
                " name another file"
            )
        seen[real] = option
    if os.path.realpath(config.output) not in own:
        check_replaced(config.output, "-o", True)
    if config.checkpoint_path:
        check_checkpoint(config.checkpoint_path)
    if log_json:
        check_replaced(log_json, "--log-json", True, _is_no_log, "such log")


def _is_no_log(path):
    """Whether a file begins otherwise than our logs do; raise OSError if it cannot be written to.
    Pipes and devices have nothing to lose."""
    if not os.path.isfile(path):
        return False
    with open(path, "r+b") as file:
        return file.read(1) not in (b"", b"{")


def check_new(problem, log_json):
    """As ``check_outputs``, for a run that resumes none: no result or checkpoint may be there, or
    all are replaced with --overwrite.
    """
    from ..files.checkpoint import remove_checkpoint
    from ..files.outputs import check_replaced

    check_outputs(problem, log_json)
    config, checkpoint = problem.config, problem.config.checkpoint_path
    if config.overwrite:
        if checkpoint:
            remove_checkpoint(checkpoint)
        return
    if checkpoint and (os.path.exists(checkpoint) or os.path.exists(checkpoint + ".1")):
        raise DataError(
            f"{checkpoint} is the checkpoint of an unfinished run; go on with 'hpcpca resume"
            f" {checkpoint}', or start again with --overwrite"
        )
    check_replaced(config.output, "-o", False)


def check_place_of(start, output):
    """Raise DataError if a moved or copied result is resumed without ``output``: its stored path
    may by now hold another run's file.
    """
    recorded = start.config["output"]
    if (
        output is None
        and not start.is_checkpoint
        and os.path.realpath(start.path) != os.path.realpath(recorded)
    ):
        raise DataError(
            f"{start.path} is a result that was written as {recorded}: say which file is to be"
            f" written, with -o {start.path} this one"
        )


def check_resumed(problem, log_json, start):
    """As ``check_outputs``, for a run that goes on from ``start``: its own result may be
    replaced, no other file.
    """
    config = problem.config
    own = {
        os.path.realpath(path)
        for path in (start.path, start.path.removesuffix(".1"), start.config["output"])
    }
    check_outputs(problem, log_json, own)
    if os.path.exists(config.output) and os.path.realpath(config.output) not in own:
        raise DataError(
            f"{config.output} exists and is not the result of {start.path}; name another file"
            " with -o"
        )
    if log_json and os.path.realpath(log_json) in own:
        raise UsageError(
            f"--log-json {log_json} would overwrite the file to go on from; name another"
        )
