"""What several runs of one experiment say together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_RESAMPLES = 2_000


def interquartile_mean(values: Array) -> Array:
    """Return the mean of the middle half along the first axis.

    A quarter of the ``N`` values, rounded down, is left out at each end: none of three, one of four, two of ten.

    Args:
        values: ``[N, ...]``, N at least 1.

    Returns:
        ``[...]``.

    Source: Agarwal et al. 2021, "Deep reinforcement learning at the edge of the statistical precipice", arXiv
    2108.13264, section 4.3.

    Example:
        >>> float(interquartile_mean(np.array([0.0, 1.0, 3.0, 1000.0])))
        2.0
    """
    cut = len(values) // 4
    kept: Array = np.sort(values, 0)[cut : len(values) - cut]
    return np.asarray(kept.mean(0))


def bootstrap_interval(values: Array, confidence: float = 0.95, seed: int = 0) -> tuple[Array, Array]:
    """Return the bounds of a percentile-bootstrap interval of the interquartile mean over the first axis.

    Args:
        values: ``[N, ...]``: N runs; they are drawn with replacement as wholes.
        confidence: probability that the interval is to have, in (0, 1).
        seed: of the draws.

    Returns:
        Lower and upper bound, ``[...]`` each.

    Source: Efron 1979; for runs of one experiment, Agarwal et al. 2021, arXiv 2108.13264, section 4.1.
    """
    draws = np.random.default_rng(seed).integers(len(values), size=(_RESAMPLES, len(values)))
    means = np.stack([interquartile_mean(values[draw]) for draw in draws])
    tail = 50 * (1 - confidence)
    low, high = np.percentile(means, [tail, 100 - tail], axis=0)
    return low, high
