"""What a run builds its operator from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Resources:
    """The rows of a run, and what multiplies them: made once."""

    source: object  # sources.Source
    exchange: object  # between the ranks; says who this one is
    counters: object
    kernels: object  # compiled or plain
    team: object  # this rank's threads
    seed: int
    is_centred: bool = True  # whether the mean is taken off
