"""Intervals and levels of chance: what a number would be for other objects, and for labels that mean nothing."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hiss.structure.features import Doubles

ENDS: Final = (2.5, 97.5)
"""Percentiles of a 95 % interval."""

Measured = dict[str, Any]
"""``value, low, high, chance, n``; NaN where something is not known."""


def resampled(statistic: Callable[[NDArray[np.int64]], float], n: int, draws: int, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of a statistic of objects by the bootstrap; NaN for fewer than two."""
    rng = np.random.default_rng(seed)
    return _ends([statistic(rng.integers(0, n, n)) for _ in range(draws)] if n > 1 else [])


def half_sampled(statistic: Callable[[NDArray[np.int64]], float], n: int, draws: int, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of a statistic of pairs of objects, from halves of the objects drawn without return.

    The bootstrap draws an object twice, and an object always agrees with itself. Halves have no twins, and vary about
    the whole as the whole does about the truth (Politis & Romano 1994, Ann. Statist. 22, 2031).
    """
    rng = np.random.default_rng(seed)
    return _ends([statistic(np.sort(rng.permutation(n)[: n // 2])) for _ in range(draws)] if n > 3 else [])


def _ends(values: list[float]) -> tuple[float, float]:
    if not values:
        return np.nan, np.nan
    low, high = np.percentile(values, ENDS)
    return float(low), float(high)


def by_chance(statistic: Callable[[NDArray[np.int64]], float], n: int, draws: int, seed: int) -> float:
    """Return the mean of a statistic over shuffled objects: what two things that have nothing in common reach."""
    rng = np.random.default_rng(seed)
    return float(np.mean([statistic(rng.permutation(n)) for _ in range(draws)])) if n else np.nan


def mean_of(values: Doubles, draws: int, seed: int, chance: float = np.nan) -> Measured:
    """Return the mean over objects with its bootstrapped interval."""
    n = len(values)
    low, high = resampled(lambda rows: float(values[rows].mean()), n, draws, seed)
    return {"value": float(values.mean()) if n else np.nan, "low": low, "high": high, "chance": chance, "n": n}
