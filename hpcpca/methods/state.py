"""The state of a method after a round."""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class State:
    """The panel after a round; eigenvalues and images are scaled like the operator's.

    Always: ``images`` are Σ·``vectors`` for exactly these vectors, and ``eigenvalues``,
    ``residuals`` measure them; from mini-batches if they are ``estimated``.
    """

    round: int
    vectors: np.ndarray  # (own, d) float64: this rank's rows of the panel
    images: np.ndarray  # (own, d) Σ·vectors
    eigenvalues: np.ndarray  # (m) v_kᵀΣv_k, of all
    residuals: np.ndarray  # (m) ‖Σv_k − λ_k v_k‖/λ_0, of all
    exhausted: bool = False  # no direction is left to improve along
    estimated: bool = False  # images, eigenvalues and residuals come from some of the rows
    last_measured: int = 0  # round of the last pass over all rows that an estimate asked for
    next: object = None  # where the method's next step begins; of a class of its own
    # name → (own, width): what a top1 solver keeps from round to round, and checkpoints
    memory: dict = field(default_factory=dict)

    @property
    def has_images(self):
        """Whether images are known."""
        return bool(np.isfinite(self.residuals).all())


class _OnDemand:
    """An array, or what makes it: called when the array is first asked for."""

    def __set_name__(self, owner, name):
        self._name = "_" + name

    def __set__(self, state, value):
        setattr(state, self._name, value)

    def __get__(self, state, owner):
        value = getattr(state, self._name)
        if callable(value):
            value = value()
            setattr(state, self._name, value)
        return value


class StateOnDemand(State):
    """A state of functions that form its vectors and images; most rounds' are not asked for."""

    vectors = _OnDemand()  # type: ignore[assignment]
    images = _OnDemand()  # type: ignore[assignment]


def unmeasured(round, vectors, count):
    """The state of ``count`` vectors whose images are not known: this rank's (own, d)."""
    return State(round, vectors, np.zeros_like(vectors), np.zeros(count), np.full(count, np.inf))


def measure(vectors, images, exchange, count):
    """Return eigenvalues (m) and relative residuals (m) of all workers' vectors from each rank's
    own. Collective.
    """
    values = np.einsum("kd,kd->k", vectors, images)
    errors = np.linalg.norm(images - values[:, None] * vectors, axis=1)
    both = exchange.gather_small(np.stack([values, errors], axis=1), exchange.grid.offsets(count))
    return both[:, 0].copy(), relative(both[:, 1], both[:, 0].max())


def relative(errors, largest):
    """Residual norms over the largest eigenvalue; NaN if that is not positive."""
    return errors / largest if largest > 0 else np.full(len(errors), np.nan)
