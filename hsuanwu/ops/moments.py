"""Running means and variances."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_LEAST = 1e-6
_FAR = 2.0**62
_LEAST_INTEGER, _GREATEST_INTEGER = -(2.0**63), 2.0**63 - 1024
"""Of 64 bits; the greatest is the last float64 before 2^63."""
_MEDIAN_OF_NORMAL = 0.6745
"""The median distance from the mean of a normal distribution of standard deviation 1."""


class Moments(NamedTuple):
    """Mean and variance of what was seen so far, entry by entry."""

    mean: Tensor
    """``[...]`` float64."""
    variance: Tensor
    """``[...]`` float64, of the whole population: divided by ``weight``."""
    weight: Tensor
    """float64 scalar: how many samples they count for."""


def moments(x: Tensor) -> Moments:
    """Return mean and variance over the first axis, in float64; no gradient flows.

    Args:
        x: samples, ``[N, ...]`` of any real dtype; N at least 1.

    Example:
        >>> moments(torch.tensor([1.0, 3.0]))
        Moments(mean=tensor(2., dtype=torch.float64), variance=tensor(1., dtype=torch.float64), weight=tensor(2., \
dtype=torch.float64))
    """
    x = x.detach()
    # of integers that float64 cannot hold, the distances from one of them are exact
    origin = x[0].double() if x.dtype == torch.int64 else None
    variance, mean = torch.var_mean(x.double() if origin is None else distance(x, origin), 0, correction=0)
    mean = mean if origin is None else mean + origin
    return Moments(mean, variance, torch.tensor(float(x.shape[0]), dtype=torch.float64, device=x.device))


def distance(x: Tensor, mean: Tensor) -> Tensor:
    """Return ``x - mean``, subtracted before anything is rounded.

    Args:
        x: numbers of any real dtype, ``[..., *mean.shape]``.
        mean: float64.

    Returns:
        float32 where it holds every number of the dtype of ``x``, else float64.

    Example:
        >>> distance(torch.tensor([2**60, 2**60 + 3]), torch.tensor(2.0**60, dtype=torch.float64))
        tensor([0., 3.], dtype=torch.float64)
    """
    if x.dtype.itemsize < 4 or x.dtype == torch.float32:
        return x.float() - mean.float()
    rounded = x.double() - mean
    if x.dtype != torch.int64:
        return rounded
    whole = mean.round().clamp(_LEAST_INTEGER, _GREATEST_INTEGER)
    exact = (x - whole.long()).double() - (mean - whole)
    return torch.where(rounded.abs() < _FAR, exact, rounded)  # farther away the integers would wrap around


def without_outliers(x: Tensor, past: Moments, reach: float) -> Tensor:
    """Return samples whose absurd numbers are brought near to the others, so that they spoil no statistics.

    A number is suspect if it is farther than ``reach`` standard deviations (which count as 1 at least) from the mean
    known so far. It is brought within ``reach`` spreads of the median of these samples. The spread is the median
    distance from the median, on the scale of a standard deviation: absurd numbers have no influence on either while
    they are fewer than half, and both follow at once if all numbers have become larger. Where most numbers are equal,
    the spread is the distance that nine of ten do not exceed; where that is 0 too, it is the deviation known so far,
    which rare large numbers make grow until they are suspect no longer.

    Args:
        x: samples, ``[N, ...]`` of any real dtype, all finite.
        past: what was known before.
        reach: how far is too far, in standard deviations.

    Example:
        >>> past = Moments(*(torch.tensor(x, dtype=torch.float64) for x in (0.0, 1.0, 1000.0)))
        >>> without_outliers(torch.tensor([-1.0, 0.0, 1.0, 1e38]), past, reach=100).max() < 200
        tensor(True)
        >>> without_outliers(torch.tensor([-1e8, 0.0, 1e8]), past, reach=100)  # an honest jump
        tensor([-100000000.,          0.,  100000000.])
    """
    deviation = past.variance.sqrt().clamp(min=1)
    median = x.median(0).values.double()
    away = distance(x, median).double()
    spread = away.abs().median(0).values / _MEDIAN_OF_NORMAL
    most = away.abs().kthvalue(max(1, len(x) - max(1, len(x) // 10)), 0).values
    limit = reach * torch.where(spread > 0, spread, torch.where(most > 0, most, deviation))
    near = away.clamp(-limit, limit)
    is_changed = (distance(x, past.mean).abs() > reach * deviation) & (near != away)
    return torch.where(is_changed, (near + median).to(x.dtype), x)


def combine(first: Moments, second: Moments) -> Moments:
    """Return the moments of two sets of samples together.

    Source: Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample
    variances", equations 2.1.

    Args:
        first: of one set; its weight may be 0.
        second: of the other; not both weights are 0.

    Example:
        >>> x = torch.tensor([1.0, 3.0, 8.0])
        >>> float(combine(moments(x[:2]), moments(x[2:])).mean)
        4.0
    """
    weight = first.weight + second.weight
    difference = second.mean - first.mean
    share = second.weight / weight
    mean = first.mean + difference * share
    variance = first.variance * (1 - share) + second.variance * share + difference.square() * share * (1 - share)
    return Moments(mean, variance, weight)


def return_scale(mean: Tensor, mean_square: Tensor, discount: float) -> Tensor:
    r"""Return the root mean square of discounted sums of rewards, as if rewards were independent of each other.

    With \(G_t = r_t + \gamma (1 - f_t) G_{t-1}\), where \(f_t\) is 1 in the first step of an episode, and the
    means of both sides, and of their squares, taken to be equal in the long run:

    \[ \bar G = \frac{\bar r}{1 - \gamma (1 - \bar f)}, \qquad
      \overline{G^2} = \frac{\overline{r^2} + 2 \gamma (1 - \bar f) \bar r \bar G}{1 - \gamma^2 (1 - \bar f)} \]

    Only means over single steps are needed: no environment has to be followed from one rollout to the next.

    Args:
        mean: ``[2]``, of the rewards and of the flags that mark the first steps of episodes.
        mean_square: ``[2]``, of their squares.
        discount: gamma, in [0, 1].

    Returns:
        A scalar of the same dtype.

    Example:
        >>> always_one = torch.tensor([1.0, 0.0])
        >>> round(float(return_scale(always_one, always_one, discount=0.9)), 4)  # 1 + 0.9 + 0.81 + ...
        10.0
    """
    reward, first = mean.unbind()
    goes_on = discount * (1 - first)
    total = reward / (1 - goes_on).clamp(min=_LEAST)
    square = (mean_square[0] + 2 * goes_on * reward * total) / (1 - discount * goes_on).clamp(min=_LEAST)
    return square.sqrt()
