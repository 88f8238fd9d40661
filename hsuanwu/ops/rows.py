"""The ground that V-trace and all returns stand on: rows of time, where they link, one backward sum."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hsuanwu.common.errors import ConfigurationError

_LARGEST = torch.finfo(torch.float32).max


class Rows(NamedTuple):
    """What all estimates are made from, ``[T, B]`` float32, with nothing left in it that must not count.

    An invalid row is a row of zeros, and nothing links to it. Where a discount is 0, so is the next value.
    """

    discounts: Tensor
    rewards: Tensor
    next_values: Tensor
    links: Tensor
    """bool: row t + 1 continues row t, so that it learns from what came after it. False in the last row."""


def check_rows(flags: dict[str, Tensor | None], **rows: Tensor) -> None:
    """Check that ``rows`` are floating point, ``flags`` bool (or None), and all ``[T, B]`` on one device.

    Raises:
        ValueError: in one line that names the argument, what was found and what would be right.
    """
    first_name, first = next(iter(rows.items()))
    for name, x in {**rows, **flags}.items():
        if x is None and name in flags:
            continue
        if not isinstance(x, Tensor):
            raise ValueError(f"{name}: found {type(x).__name__}, expected a tensor [T, B]")
        if x.dim() != 2 or x.numel() == 0:
            raise ValueError(f"{name}: found shape {tuple(x.shape)}, expected [T, B] with at least one row and column")
        if x.shape != first.shape:
            raise ValueError(f"{name}: found shape {tuple(x.shape)}, expected {tuple(first.shape)} as of {first_name}")
        if x.device != first.device:
            raise ValueError(f"{name}: found device {x.device}, expected {first.device} as of {first_name}")
        if name in flags and x.dtype != torch.bool:
            raise ValueError(f"{name}: found dtype {x.dtype}, expected torch.bool")
        if name not in flags and not x.is_floating_point():
            raise ValueError(f"{name}: found dtype {x.dtype}, expected a floating point type")


def check_lambda(lambda_: float) -> None:
    """Raise a ConfigurationError unless ``lambda_`` lies in [0, 1]."""
    if not 0.0 <= lambda_ <= 1.0:
        raise ConfigurationError(f"lambda_: found {lambda_}, expected a number in [0, 1]")


def zero_invalid(x: Tensor, mask: Tensor | None) -> Tensor:
    """Return ``x`` with 0 where ``mask`` is False, whatever stood there (0 times NaN would be NaN)."""
    return x if mask is None else torch.where(mask, x, 0.0)


def as_rows(discounts: Tensor, rewards: Tensor, next_values: Tensor, cuts: Tensor | None, mask: Tensor | None) -> Rows:
    """Return checked inputs as ``Rows``; ``cuts`` end the trace at their row, ``mask`` is False at invalid rows."""
    discounts = zero_invalid(discounts.float(), mask)
    goes_on = discounts != 0.0
    next_values = torch.where(goes_on, next_values.float(), 0.0)
    links = goes_on if cuts is None else goes_on & ~cuts
    links[-1] = False
    if mask is not None:
        links[:-1] &= mask[1:]
    return Rows(discounts, zero_invalid(rewards.float(), mask), next_values, links)


def following(x: Tensor, next_x: Tensor, links: Tensor) -> Tensor:
    """Return ``x_{t+1}`` where row t + 1 continues row t, and ``next_x_t`` elsewhere."""
    result = next_x.clone()
    torch.where(links[:-1], x[1:], next_x[:-1], out=result[:-1])
    return result


def accumulate_backwards(x: Tensor, weights: Tensor, links: Tensor) -> Tensor:
    """Return the sums ``s_t = x_t + weight_t * s_{t+1}``, where ``s_{t+1}`` counts only if ``link_t``.

    A loop over rows would take T small steps. This takes log2(T) larger ones: when the sums reach ``n`` rows
    far, adding the sum ``n`` rows below, weighted with all that lies between, makes them reach ``2 n`` rows.

    Args:
        x: ``[T, B]``; overwritten with the result.
        weights: ``[T, B]``.
        links: bool ``[T, B]``.
    """
    num_rows, reach, zero = x.shape[0], 1, x.new_zeros(())
    while reach < num_rows:
        below = weights[: num_rows - reach] * x[reach:]
        x[:-reach] += torch.where(links[: num_rows - reach], below, zero)
        # An infinite weight would make NaN out of a sum of 0; only unbounded ratios come near.
        weights = (weights[:-reach] * weights[reach:]).clamp_(max=_LARGEST)
        links = links[:-reach] & links[reach:]
        reach *= 2
    return x
