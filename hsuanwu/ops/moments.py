"""Running means and variances."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_LEAST = 1e-6


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
    x = x.detach().double()
    variance, mean = torch.var_mean(x, 0, correction=0)
    return Moments(mean, variance, torch.tensor(float(x.shape[0]), dtype=torch.float64, device=x.device))


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
