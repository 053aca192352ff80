"""What model and checkpoint files hold of modules, and what ``info`` says of them."""

import json
from dataclasses import replace

import numpy as np

from ..._version import __version__
from ...engine.about import About
from ...files.formats import VERSIONS
from ...files.hdf5 import Rows
from ...linalg.orth import with_positive_peak
from ...units import format_seconds
from ..result import explained
from .discovery import State

SHOWN = 40  # modules
PAIRS, SOURCES = "state/pairs", "state/sources"


def group_of(name):
    """Return the group of a module in a model file."""
    return f"modules/{name}"


def model_arrays(discovery, state, names):
    """Return {dataset: array or Rows} of a model. Collective."""
    exchange, found = discovery.exchange, {}
    told = {i: _at_home(discovery, state, i) for i in discovery.here}
    small = {}
    for each in exchange.gather_objects({i: one[1] for i, one in told.items()}):
        small |= each
    for i, name in enumerate(names):
        group, k, d = group_of(name), int(state.ranks[i]), discovery.modules[i].facts.inputs
        rows = state.vectors[i][:k]
        own = told[i][0] if i in told else np.zeros((0, d))
        homes = np.arange(exchange.size + 1) > discovery.homes.of[i]
        found[f"{group}/inputs"] = Rows(own, np.where(homes, k, 0))
        found[f"{group}/components"] = rows * with_positive_peak(rows)[:, None]
        found |= {f"{group}/{what}": array for what, array in small[i].items()}
    return found | _root_arrays(discovery, state, names)


def _at_home(discovery, state, i):
    """(The inputs (r, d), {dataset: small array}) of a module that is at home here."""
    module, home, k = discovery.modules[i], discovery.here[i], state.ranks[i]
    at, rows = module.facts, state.vectors[i][:k]
    rows = rows * with_positive_peak(rows)[:, None]
    scaled = rows @ home.coefficients.T  # a = C⁻¹D b
    fitted, ridge = rows @ module.apply(rows).T, at.scaled_ridge
    inputs = np.ldexp(scaled, home.y.exponent - home.x.exponent)
    small = {
        "strength": np.sqrt(np.maximum(np.diag(fitted), 0) * at.unit),
        "r2": explained(fitted, rows @ rows.T, scaled @ scaled.T, ridge, at.total),
    }
    if home.x.mean is not None and not discovery.config.no_centre:
        small |= {
            "intercept": home.y.mean - (inputs @ home.x.mean) @ rows,
            "input_mean": home.x.mean,
            "target_mean": home.y.mean,
        }
    return inputs, small


def _root_arrays(discovery, state, names):
    facts = [each.facts for each in discovery.modules]
    units = np.array([each.unit for each in facts])
    growth = np.array(state.grown, dtype=float).reshape(-1, 3)
    return {
        "names": np.array([name.encode() for name in names]),
        "ranks": state.ranks,
        "rank_limits": discovery.limits,
        "n_samples": np.array([each.n for each in facts]),
        "n_inputs": np.array([each.inputs for each in facts]),
        "n_targets": np.array([each.targets for each in facts]),
        "inputs_rank": np.array([each.rank for each in facts]),
        "condition": np.array([each.condition for each in facts]),
        "ridge": np.array([each.ridge for each in facts]),
        "rounding": np.array([each.rounding for each in facts]),
        "total": np.array([each.total for each in facts]) * units,
        "reserve_gains": state.gains * units,
        # of all pairs, one module's after another's
        "shares": shares_of(state),
        "residuals": residuals_of(state),
        "growth/round": growth[:, 0].astype(int),
        "growth/module": growth[:, 1].astype(int),
        "growth/score": growth[:, 2],
    }


def shares_of(state):
    """Return bᵀSb of all pairs, one module's after another's, each over the largest of its
    module.
    """
    own = (values[:k] for values, k in zip(state.values, state.ranks))
    return np.concatenate([each / max(each.max(), np.finfo(float).tiny) for each in own])


def residuals_of(state):
    """Return ‖Sb − (bᵀSb)b‖ of all pairs, one module's after another's, each over the largest
    bᵀSb of its module.
    """
    return np.concatenate(
        [
            errors[:k] / max(values[:k].max(), np.finfo(float).tiny)
            for errors, values, k in zip(state.errors, state.values, state.ranks)
        ]
    )


def loss_of(discovery, state):
    """Return ½Σ‖Ỹ − X̃W‖² + ½ρ‖W‖² over all modules, in the data's own units."""
    facts = [each.facts for each in discovery.modules]
    left = [at.unit * (at.total - taken) for at, taken in zip(facts, state.taken)]
    return float(sum(left)) / 2


def state_arrays(discovery, state):
    """Return {dataset: array} of what a run goes on from: b and f of all workers, and u.
    Collective.
    """
    own = [discovery.sources[i].reshape(-1) for i in discovery.here]
    offsets = discovery.homes.edges([each.size for each in state.vectors])
    sources = discovery.exchange.gather_small(np.concatenate(own) if own else np.zeros(0), offsets)
    averages = np.zeros((len(state.ranks), 2))
    for i, each in discovery.averages.items():
        averages[i] = each
    return {
        PAIRS: np.concatenate(
            [part.reshape(-1) for each in (state.vectors, state.fits) for part in each]
        ),
        SOURCES: sources,
        "state/widths": np.array([len(each) for each in state.vectors]),
        "state/averages": discovery.exchange.sum(averages),
        "state/ended": np.array(state.has_ended),
    }


def taken_up(discovery, start, names):
    """Return the state of a Stored checkpoint, or that of a Stored model. Collective."""
    arrays, count = start.arrays, len(names)
    if not start.is_checkpoint:
        state = discovery.go_on_from([arrays[f"{group_of(name)}/components"] for name in names])
        return replace(state, round=start.attributes["rounds"], grown=_growth(arrays))
    lengths = [each.facts.targets for each in discovery.modules]
    shapes = list(zip(arrays["state/widths"].tolist(), lengths))
    rows = _parted(arrays[PAIRS], 2 * shapes)
    discovery.averages = {i: arrays["state/averages"][i].copy() for i in discovery.here}
    state = State(
        round=start.attributes["rounds"],
        ranks=arrays["ranks"],
        vectors=rows[:count],
        fits=rows[count:],
        values=[],
        errors=[],
        grown=_growth(arrays),
        has_ended=bool(arrays["state/ended"]),
    )
    return discovery.take_up(state, _parted(arrays[SOURCES], shapes))


def _parted(flat, shapes):
    edges = np.cumsum([0, *(w * q for w, q in shapes)])
    return [flat[a : a + w * q].reshape(w, q) for a, (w, q) in zip(edges, shapes)]


def _growth(arrays):
    columns = (arrays[f"growth/{name}"].tolist() for name in ("round", "module", "score"))
    return tuple(zip(*columns))


def root_attributes(kind, context, report, outcome, counts):
    """Return the root attributes of a model or a checkpoint."""
    config = context.config
    return {
        "format": kind,
        "format_version": VERSIONS[kind],
        "hpcpca_version": __version__,
        "problem": "regress --modules",
        "vectors": "",
        "eigenvalues": "shares",
        "rounding": 0.0,
        "config": json.dumps(config.stored()),
        "source": json.dumps(context.data.describe()),
        "outcome": outcome,
        "seed": config.seed,
        "tol": config.tol,
        "method": "parallel rank-one deflation",
        "operator": "gram",
        "budget": config.budget,
        "loss": report.loss,
        "rounds": report.state.round,
        **counts,
        "seconds": report.seconds,
        "seconds_by_activity": json.dumps(context.counters.split()),
        "ranks": context.world.size,
    }


class AboutModules(About):
    """A table of modules."""

    def described(self, stored):
        """Return all lines on a Stored file."""
        at, arrays = stored.attributes, stored.arrays
        kind = "checkpoint" if stored.is_checkpoint else "result"
        names = [name.decode() for name in arrays["names"]]
        lines = [
            f"{stored.path}: {kind} of hpcpca {at['hpcpca_version']} (format"
            f" {at['format_version']}): {at['outcome']}",
            f"  regressions of {len(names)} modules, {arrays['ranks'].sum()} pairs of a budget of"
            f" {at['budget']}, by {stored.config['grow']}; loss {at['loss']:.6g}",
            f"  {at['rounds']} rounds, {format_seconds(at['seconds'])} on {at['ranks']} rank(s),"
            f" tol {at['tol']:g}, seed {at['seed']}",
        ]
        if stored.is_checkpoint:
            lines.append(f"  to go on: hpcpca resume {stored.path}")
        width = max(6, *map(len, names[:SHOWN]))
        lines.append(
            f"  {'module':<{width}} {'inputs':>7} {'targets':>7} {'pairs':>5} {'θ first':>11}"
            f" {'θ last':>11} {'R²':>8}"
        )
        for name, d, q, k in list(
            zip(names, arrays["n_inputs"], arrays["n_targets"], arrays["ranks"])
        )[:SHOWN]:
            group = group_of(name)
            theta, r2 = arrays[f"{group}/strength"], arrays[f"{group}/r2"]
            lines.append(
                f"  {name:<{width}} {d:>7} {q:>7} {k:>5} {theta[0]:>11.5g} {theta[-1]:>11.5g}"
                f" {r2[-1]:>8.5f}"
            )
        return [*lines, *["  …"] * (len(names) > SHOWN)]


ABOUT = AboutModules()
