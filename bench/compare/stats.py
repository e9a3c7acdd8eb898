"""Medians and spreads over rounds."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Spread:
    """The median of some numbers, with their 10th and 90th percentiles."""

    median: float
    p10: float
    p90: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> "Spread":
        return cls(statistics.median(numbers), quantile(numbers, 0.1), quantile(numbers, 0.9))

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def quantile(numbers: Sequence[float], q: float) -> float:
    """The q-quantile, linear between neighbors."""
    ordered = sorted(numbers)
    at = q * (len(ordered) - 1)
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (at - below) * (ordered[above] - ordered[below])


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Ours over theirs, round by round: a temporary disturbance of the machine affects both."""
    return Spread.of([a / b for a, b in zip(ours, theirs, strict=True)])
