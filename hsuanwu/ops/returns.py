"""Returns and advantages on policy, with the conventions of ``vtrace``.

All tensors are ``[T, B]`` of any floating point type; results are float32 and carry no gradient. ``cuts`` (bool,
terminated or truncated) end the trace at their row and keep its bootstrap, ``mask`` (bool) is False at rows that
count for nothing, where every result here is 0. A segment is a run of valid rows up to a cut, to an invalid row or
to the end. Nothing that stands after a segment reaches it, NaN and infinity included.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.ops.rows import (
    accumulate_backwards,
    as_rows,
    check_lambda,
    check_rows,
    following,
    zero_invalid,
)


@torch.no_grad()
def generalized_advantages(
    discounts: Tensor,
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    *,
    cuts: Tensor | None = None,
    mask: Tensor | None = None,
    lambda_: float = 1.0,
) -> Tensor:
    r"""Return generalized advantage estimates, GAE(lambda).

    \[ A_t = \delta_t + \gamma_t \lambda A_{t+1}, \qquad \delta_t = r_t + \gamma_t V(x_{t+1}) - V(x_t) \]

    Args:
        discounts: gamma, and 0 where the task terminated.
        rewards: the outcome of the action of each row.
        values: ``V(x_t)``.
        next_values: ``V(x_{t+1})``; inside a segment equal to ``values[t + 1]``, at its end the bootstrap.
        cuts: True where the trace ends at this row.
        mask: False at rows that count for nothing; their advantage is 0.
        lambda_: in [0, 1]; 0 gives the one-step errors, 1 the whole return minus the value.

    Returns:
        ``[T, B]`` float32.

    Raises:
        ValueError: if a shape, dtype, device or ``lambda_`` does not fit.

    Source: Schulman et al. 2015, arXiv 1506.02438, equation 16.

    Example:
        >>> half, one = torch.full((2, 1), 0.5), torch.ones(2, 1)
        >>> generalized_advantages(half, one, torch.zeros(2, 1), torch.tensor([[0.0], [4.0]])).flatten().tolist()
        [2.5, 3.0]
    """
    check_rows(
        {"cuts": cuts, "mask": mask}, discounts=discounts, rewards=rewards, values=values, next_values=next_values
    )
    check_lambda(lambda_)
    rows = as_rows(discounts, rewards, next_values, cuts, mask)
    deltas = torch.addcmul(rows.rewards, rows.discounts, rows.next_values).sub_(zero_invalid(values.float(), mask))
    return accumulate_backwards(deltas, rows.discounts * lambda_, rows.links)


@torch.no_grad()
def lambda_returns(
    discounts: Tensor,
    rewards: Tensor,
    next_values: Tensor,
    *,
    cuts: Tensor | None = None,
    mask: Tensor | None = None,
    lambda_: float = 1.0,
) -> Tensor:
    r"""Return lambda-returns, TD(lambda): the mixture of all n-step returns.

    \[ G_t = r_t + \gamma_t \big((1 - \lambda) V(x_{t+1}) + \lambda G_{t+1}\big) \]

    with \(V(x_{t+1})\) for \(G_{t+1}\) at the end of a segment. Equal to the advantages of GAE(lambda)
    plus the values.

    Args:
        discounts: gamma, and 0 where the task terminated.
        rewards: the outcome of the action of each row.
        next_values: ``V(x_{t+1})``.
        cuts: True where the trace ends at this row.
        mask: False at rows that count for nothing; their return is 0.
        lambda_: in [0, 1]; 0 gives the one-step returns, 1 those to the end of the segment.

    Returns:
        ``[T, B]`` float32.

    Raises:
        ValueError: if a shape, dtype, device or ``lambda_`` does not fit.

    Source: Sutton and Barto 2018, Reinforcement Learning, equation 12.20.

    Example:
        >>> half, one = torch.full((2, 1), 0.5), torch.ones(2, 1)
        >>> lambda_returns(half, one, torch.tensor([[0.0], [4.0]]), lambda_=0.5).flatten().tolist()
        [1.75, 3.0]
    """
    check_rows({"cuts": cuts, "mask": mask}, discounts=discounts, rewards=rewards, next_values=next_values)
    check_lambda(lambda_)
    rows = as_rows(discounts, rewards, next_values, cuts, mask)
    carried = rows.discounts * lambda_
    bootstrapped = torch.where(rows.links, rows.discounts - carried, rows.discounts)
    next_values = torch.where(bootstrapped != 0.0, rows.next_values, 0.0)
    return accumulate_backwards(torch.addcmul(rows.rewards, bootstrapped, next_values), carried, rows.links)


def discounted_returns(
    discounts: Tensor,
    rewards: Tensor,
    next_values: Tensor,
    *,
    cuts: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    r"""Return discounted sums of rewards to the end of each segment, plus the bootstrap there.

    \[ G_t = r_t + \gamma_t G_{t+1}, \qquad G_{e+1} = V(x_{e+1}) \text{ after the last row } e \]

    Args:
        discounts: gamma, and 0 where the task terminated.
        rewards: the outcome of the action of each row.
        next_values: ``V(x_{t+1})``; only those at the ends of segments count. Zeros for no bootstrap.
        cuts: True where the sum ends at this row.
        mask: False at rows that count for nothing; their return is 0.

    Returns:
        ``[T, B]`` float32.

    Raises:
        ValueError: if a shape, dtype or device does not fit.

    Example:
        >>> half, one = torch.full((2, 1), 0.5), torch.ones(2, 1)
        >>> discounted_returns(half, one, torch.tensor([[0.0], [4.0]])).flatten().tolist()
        [2.5, 3.0]
    """
    return lambda_returns(discounts, rewards, next_values, cuts=cuts, mask=mask, lambda_=1.0)


@torch.no_grad()
def n_step_returns(
    discounts: Tensor,
    rewards: Tensor,
    next_values: Tensor,
    n: int,
    *,
    cuts: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    r"""Return n-step returns: up to n rewards of the segment, then the bootstrap.

    \[ G^{(1)}_t = r_t + \gamma_t V(x_{t+1}), \qquad G^{(n)}_t = r_t + \gamma_t G^{(n-1)}_{t+1} \]

    with \(V(x_{t+1})\) for \(G_{t+1}\) at the end of a segment.

    Args:
        discounts: gamma, and 0 where the task terminated.
        rewards: the outcome of the action of each row.
        next_values: ``V(x_{t+1})``.
        n: at least 1; from T on the result is that of ``discounted_returns``.
        cuts: True where the sum ends at this row.
        mask: False at rows that count for nothing; their return is 0.

    Returns:
        ``[T, B]`` float32.

    Raises:
        ValueError: if a shape, dtype, device or ``n`` does not fit.

    Source: Sutton and Barto 2018, Reinforcement Learning, equation 7.1.

    Example:
        >>> half, one = torch.full((2, 1), 0.5), torch.ones(2, 1)
        >>> n_step_returns(half, one, torch.tensor([[0.0], [4.0]]), n=1).flatten().tolist()
        [1.0, 3.0]
    """
    check_rows({"cuts": cuts, "mask": mask}, discounts=discounts, rewards=rewards, next_values=next_values)
    if n < 1:
        raise ConfigurationError(f"n: found {n}, expected a number of steps of at least 1")
    rows = as_rows(discounts, rewards, next_values, cuts, mask)
    returns = torch.addcmul(rows.rewards, rows.discounts, rows.next_values)
    for _ in range(min(n, returns.shape[0]) - 1):
        carried = following(returns, rows.next_values, rows.links)
        returns = torch.addcmul(rows.rewards, rows.discounts, carried)
    return returns
