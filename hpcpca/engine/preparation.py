"""Makes what a run needs before its operator: data, plan, threads, exchange."""

from ..comm.counters import Counters
from ..comm.exchange import Exchange
from ..comm.late import injected
from ..errors import DataError
from ..files.hdf5 import require_room
from ..operators.team import Team
from ..partition import Grid, parse_grid
from ..planning.plan import panel_width
from ..sources.described import other_data
from .problem import Context
from .starting import own_files


def prepare(problem, world, say, start=None):
    """Return the ``Context`` of a run. Collective.

    ``say(text)`` shows a line to the user (root only); ``start`` is the Stored file of the run that
    is resumed.
    """
    config = problem.config
    made = Context(world, config, say, start, Counters(), injected=None)
    made.data = world.decide(lambda: problem.open(own_files(config)))
    made.data.tell(say)
    problem.look(made)
    with world.agreed():
        made.injected = injected(
            getattr(config, "inject_latency", None) or (), world.rank, world.size, config.seed
        )
    with world.agreed():
        if start is not None:
            check_start(made.data.describe(), start, say)
        made.rank_limit = problem.check(made.data)
    made.panel = panel_width(config.components, config.guards, made.rank_limit, config.is_ritz)
    # windows have every worker apply the operator by itself
    alone = f"{world.size}x1" if config.exchange == "window" else None
    made.grid = world.decide(lambda: parse_grid(config.grid or alone, world.size))
    made.threads = config.threads or world.default_threads()
    made.plan = problem.plan(made)
    made.grid = made.grid or Grid(world.size // made.plan.shards, made.plan.shards)
    say(
        f"data: {made.data.title}; {made.panel} vectors ({config.components} components); "
        f"{world.size} rank(s) × {made.threads} thread(s), "
        f"grid {made.grid.groups}x{made.grid.shards}"
    )
    say(f"operator: {made.plan.reason}")
    with world.agreed():
        if world.is_root and config.output:
            require_room(config.output, 8 * made.data.d * config.components)
    made.team = Team(made.threads)
    made.exchange = made.injected.exchange(Exchange(world, made.grid, made.counters))
    return made


def check_start(parts, start, say):
    """Raise DataError if a run would be resumed with other data; say if a file may have changed."""
    if other := other_data(parts, start.source):
        raise DataError(
            f"{start.path} belongs to other data: {other}; name its own data with --data,"
            " or start a new fit"
        )
    for part, before in zip(parts, start.source):
        if part["path"] == before["path"] and (part["size"], part["mtime"]) != (
            before["size"],
            before["mtime"],
        ):
            say(
                f"hpcpca: warning: {part['path']} was written to after {start.path}:"
                " shape, type and a few rows that were compared are the same; if others have"
                " changed, start again"
            )
