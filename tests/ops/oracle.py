"""The definitions, word for word from the papers: direct sums over segments, Python floats, slow on purpose.

``over_segments`` cuts each environment's rows into segments (runs of valid rows that end at a cut, before an invalid
row, or with the data) and applies a definition to each as if it were the only trajectory in the world.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def segments(cuts: list[bool], mask: list[bool]) -> list[range]:
    """Return the segments of one column, as ranges of rows; invalid rows are in none."""
    found, start = [], None
    for t in range(len(cuts)):
        if not mask[t]:
            if start is not None:
                found.append(range(start, t))
            start = None
            continue
        start = t if start is None else start
        if cuts[t]:
            found.append(range(start, t + 1))
            start = None
    if start is not None:
        found.append(range(start, len(cuts)))
    return found


def bounded_ratio(log_rho: float, clip: float | None) -> float:
    """Return min(clip, e^log_rho), compared as logarithms so that nothing overflows."""
    if clip is None or clip == math.inf:
        return math.exp(log_rho)
    return clip if clip == 0.0 or log_rho >= math.log(clip) else math.exp(log_rho)


def vtrace(
    log_rhos: Tensor,
    discounts: Tensor,
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    cuts: Tensor | None = None,
    mask: Tensor | None = None,
    lambda_: float = 1.0,
    clip_rho: float | None = 1.0,
    clip_c: float | None = 1.0,
    clip_pg_rho: float | None = 1.0,
) -> tuple[Tensor, Tensor]:
    """Return targets and advantages, float64: Espeholt et al. 2018, equation 1, as a double sum."""

    def one_segment(logs: Any, d: Any, r: Any, v: Any, v_next: Any) -> list[tuple[float, float]]:
        last = len(r) - 1
        rho = [bounded_ratio(x, clip_rho) for x in logs]
        c = [lambda_ * bounded_ratio(x, clip_c) for x in logs]
        delta = [rho[t] * (r[t] + d[t] * v_next[t] - v[t]) for t in range(last + 1)]
        targets = []
        for s in range(last + 1):
            total = v[s]
            for t in range(s, last + 1):
                product = 1.0
                for i in range(s, t):
                    product *= d[i] * c[i]
                total += product * delta[t]
            targets.append(total)
        following = [*targets[1:], v_next[last]]
        return [
            (targets[s], bounded_ratio(logs[s], clip_pg_rho) * (r[s] + d[s] * following[s] - v[s]))
            for s in range(last + 1)
        ]

    targets, advantages = values.double().clone(), torch.zeros_like(values, dtype=torch.float64)
    for t, b, (target, advantage) in over_segments(
        one_segment, cuts, mask, log_rhos, discounts, rewards, values, next_values
    ):
        targets[t, b], advantages[t, b] = target, advantage
    return targets, advantages


def n_step_returns(
    discounts: Tensor,
    rewards: Tensor,
    next_values: Tensor,
    n: int,
    cuts: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Return the n-step returns, float64, 0 at invalid rows."""

    def one_segment(d: Any, r: Any, v_next: Any) -> list[float]:
        return [n_step(d, r, v_next, s, n) for s in range(len(r))]

    return filled(one_segment, cuts, mask, discounts, rewards, next_values)


def lambda_returns(
    discounts: Tensor,
    rewards: Tensor,
    next_values: Tensor,
    lambda_: float,
    cuts: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Return the lambda-returns, float64, as the mixture of n-step returns that defines them."""

    def one_segment(d: Any, r: Any, v_next: Any) -> list[float]:
        result = []
        for s in range(len(r)):
            longest = len(r) - s
            mixture = lambda_ ** (longest - 1) * n_step(d, r, v_next, s, longest)
            for n in range(1, longest):
                mixture += (1.0 - lambda_) * lambda_ ** (n - 1) * n_step(d, r, v_next, s, n)
            result.append(mixture)
        return result

    return filled(one_segment, cuts, mask, discounts, rewards, next_values)


def generalized_advantages(
    discounts: Tensor,
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    lambda_: float,
    cuts: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Return GAE(lambda), float64: Schulman et al. 2015, equation 16, as a sum of one-step errors."""

    def one_segment(d: Any, r: Any, v: Any, v_next: Any) -> list[float]:
        result = []
        for s in range(len(r)):
            total, product = 0.0, 1.0
            for t in range(s, len(r)):
                total += product * (r[t] + d[t] * v_next[t] - v[t])
                product *= d[t] * lambda_
            result.append(total)
        return result

    return filled(one_segment, cuts, mask, discounts, rewards, values, next_values)


def n_step(d: Any, r: Any, v_next: Any, s: int, n: int) -> float:
    """Return up to n rewards from row s on, discounted, plus the bootstrap after them."""
    total, product = 0.0, 1.0
    for t in range(s, min(s + n, len(r))):
        total += product * r[t]
        product *= d[t]
    return total + product * v_next[min(s + n, len(r)) - 1]


def over_segments(function: Callable[..., list[Any]], cuts: Tensor | None, mask: Tensor | None, *xs: Tensor) -> Any:
    """Yield row, column and result for every row of every segment of every column."""
    cuts = torch.zeros_like(xs[0], dtype=torch.bool) if cuts is None else cuts
    mask = torch.ones_like(xs[0], dtype=torch.bool) if mask is None else mask
    for b in range(xs[0].shape[1]):
        columns = [x[:, b].double().tolist() for x in xs]
        for rows in segments(cuts[:, b].tolist(), mask[:, b].tolist()):
            results = function(*[column[rows.start : rows.stop] for column in columns])
            yield from ((t, b, result) for t, result in zip(rows, results, strict=True))


def filled(function: Callable[..., list[Any]], cuts: Tensor | None, mask: Tensor | None, *xs: Tensor) -> Tensor:
    """Return the results of ``over_segments`` as a tensor, 0 elsewhere."""
    result = torch.zeros(xs[0].shape, dtype=torch.float64)
    for t, b, x in over_segments(function, cuts, mask, *xs):
        result[t, b] = x
    return result
