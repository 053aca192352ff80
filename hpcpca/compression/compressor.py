"""The face that all compressors have: tensors in, their means over all workers out."""

from zlib import crc32

import numpy as np

from ..comm.messages import Flagged, Messages
from ..comm.world import World
from ..errors import DataError, UsageError, on_all_ranks
from ..rng import stream
from .tally import Tally
from .tensors import agree, as_array, form_of, refuse_non_finite, unfit


def at_least(least, name, value):
    """Return ``value`` as an int; raise UsageError unless it is a whole number of at least that."""
    if value != value // 1 or value < least:
        raise UsageError(f"{name} = {value}: give a whole number, at least {least}")
    return int(value)


class Compressor:
    """Averages tensors over workers through fewer numbers than they have.

    A scheme says which tensors it sends in part (``_part_of``), and how (``_exchange``). All others
    travel whole, in one message. A step that fails changes nothing.
    """

    def __init__(self, comm, rank=2, seed=0):
        """Collective. ``comm``: an mpi4py communicator; ``rank`` ≥ 1; ``seed`` of random numbers,
        the same on all workers.
        """
        self.rank = at_least(1, "rank", rank)
        self.seed, self.step, self.tally, self._closed = seed, 0, Tally(), False
        self.world = World(comm)
        self.messages = Messages(self.world.comm, self.tally)
        self._number, self._forms = comm.rank, None

    def close(self):
        """Release the communicators; collective. It cannot be used any more then."""
        if not self._closed:
            self.world.free()
        self._closed = True

    def aggregate(self, tensors, out=None):
        """Return {name: the mean of the workers' tensors}, arrays of the shapes and types handed
        in. Collective.

        ``tensors``: {name: array of floats, any shape}, the same names, shapes and types on all
        workers. ``out``: {name: array to write the mean to}, which may be the tensors themselves;
        new arrays if it is None. Raises DataError, alike on all workers, if tensors differ or are
        not finite, or ``out`` does not fit; then the step may be left out.
        """
        if self._closed:
            raise on_all_ranks(UsageError("this compressor is closed; make a new one"))
        values, forms, trouble = self._look_at(tensors)
        if out is not None and trouble is None:
            trouble = unfit(out, forms)
        if not self._forms:  # none are agreed on yet, or that there are none
            self._agree_on_options()
            self._work_on(agree(self.world, self._number, forms, trouble))
        differs = trouble is not None or forms != self._forms
        self.messages.begin(differs)
        try:
            # One that differs takes part in a step of zeros, in which all others hear of it.
            averaged = self._average(self._zeros() if differs else values)
        except Flagged:
            agreed = agree(self.world, self._number, forms, trouble)
            refuse_non_finite(self.world, self._number, values)
            if agreed == self._forms:
                raise on_all_ranks(
                    DataError(
                        "the tensors are finite, but too large for their sums; scale them down, or"
                        " hand them in as float64"
                    )
                ) from None
            self._work_on(agreed)
            return self.aggregate(tensors, out)
        if out is None:
            out = {name: np.empty(form.shape, form.dtype) for name, form in forms.items()}
        self._finish(*averaged, out)
        return {name: out[name] for name in forms}

    def _agree_on_options(self):
        """Raise UsageError on all workers if one has another kind of compressor, or options."""
        plain = (int, float, str, bool, type(None))
        mine = {name: value for name, value in vars(self).items() if isinstance(value, plain)}
        mine = {name: v for name, v in mine.items() if name[0] != "_"} | {"of": type(self).__name__}
        told = sorted(self.world.comm.allgather((self._number, mine)), key=lambda one: one[0])
        first, asked = told[0]
        for number, other in told:
            for name in asked.keys() | other.keys():
                if asked.get(name) != other.get(name):
                    raise on_all_ranks(
                        UsageError(
                            f"worker {number} has a compressor with {name} = {other.get(name)!r},"
                            f" worker {first} one with {asked.get(name)!r}; make them alike"
                        )
                    )

    def _work_on(self, forms):
        """Take tensors of these forms from now on; raise DataError if the state is of others."""
        for name, axis, length in self._held():
            if name in forms and (forms[name].matrix or (0, 0))[axis] != length:
                raise on_all_ranks(
                    DataError(
                        f"tensor '{name}' is {forms[name]}, and the state is of one with {length}"
                        f" {'columns' if axis else 'rows'}; restore one of the same tensors, or"
                        " make a new compressor"
                    )
                )
        self._forms = forms

    def _look_at(self, tensors):
        """Return {name: value}, {name: Form} and, if some tensor cannot be taken, why not."""
        values = {}
        try:
            for name, tensor in tensors.items():
                if not isinstance(name, str):
                    raise DataError(f"a tensor is called {name!r}; give it a name that is text")
                values[name] = self._taken(name, tensor)
        except DataError as error:
            return {}, {}, str(error)
        return values, {name: self._form(value) for name, value in values.items()}, None

    def _zeros(self):
        return {name: form.zeros() for name, form in self._forms.items()}

    def _average(self, values):
        """Send what has to be sent; nothing is changed yet."""
        parts, whole = [], {}
        for name, value in values.items():
            part = self._part_of(name, value)
            if part is None:
                whole[name] = self._whole(name, value)
            else:
                parts.append(part)
        sent = self._exchange(parts) if parts else []
        return parts, sent, dict(zip(whole, self.messages.mean(list(whole.values()))))

    def _finish(self, parts, sent, whole, out):
        """Write the means, keep what was not sent, and count."""
        with self.tally.part("feedback"):
            for part, mean in zip(parts, sent):
                mean.settle(part, out[part.name])
            for name, mean in whole.items():
                out[name][...] = mean
        self._keep(parts, sent, whole)
        self.step += 1
        self.tally.steps += 1
        self.tally.whole += sum(form.nbytes for form in self._forms.values())

    def _refuse_unless(self, is_finite):
        """See to it that all workers hear if something here is not finite."""
        if not is_finite:
            self.messages.raise_flag()

    def _random(self, part, shape, *keys):
        """Gaussian numbers, the same on all workers: of this seed, tensor and step."""
        numbers = stream(self.seed, crc32(part.name.encode()), self.step, *keys)
        return numbers.standard_normal(shape).astype(part.form.work)

    # ------------------------------------------------------------ what a scheme says

    def _taken(self, name, tensor):
        """Return what a tensor is worked on as; raise DataError."""
        return as_array(name, tensor)

    def _form(self, value):
        return form_of(value)

    def _part_of(self, name, value):
        """Return what is to be sent of a tensor in part, with ``name`` and ``form``; None if it is
        sent whole.
        """
        return None

    def _whole(self, name, value):
        """Return a tensor that is sent whole, in the type of its message."""
        return np.asarray(value, self._forms[name].work)

    def _exchange(self, parts):
        """Return the mean of each of ``parts``, with ``settle(part, out)``; change nothing."""
        raise NotImplementedError

    def _held(self):
        """Return (tensor, axis, length as a matrix) of what is kept of tensors."""
        return []

    def _keep(self, parts, sent, whole):
        """Keep for the next step what the scheme needs of this one."""

    # ------------------------------------------------------------ checkpoints

    def state(self):
        """Return {name: array} of all that the next step needs, as views: what this worker keeps
        for itself (owed/…), and what is the same on all.
        """
        return {"step": np.array(self.step)}

    def restore(self, state):
        """Take up what ``state`` has returned, with as many workers."""
        self.step, self._forms = int(state["step"]), None
