"""Answers of environments: the values of reset and step, rewards and flags, checked as observations are."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from numbers import Real
from typing import Any

import numpy as np

from hsuanwu.common.protocols import Array
from hsuanwu.env.fault import WrongAnswer, shown

_LARGEST = float(np.finfo(np.float32).max)
_LARGEST_SQUARE = _LARGEST**2
_NUMBER = "a real number was expected"
_STEP_FORM = "observation, reward, terminated, truncated and info"


def first_observation(answer: Any) -> Any:
    """Return the observation in the answer of gymnasium's ``reset``.

    Raises:
        WrongAnswer: if it is not observation and info.
    """
    if isinstance(answer, tuple) and len(answer) == 2 and (type(answer[1]) is dict or isinstance(answer[1], Mapping)):
        return answer[0]
    found = f"{len(answer)} values" if isinstance(answer, tuple) else shown(answer)
    if isinstance(answer, tuple) and len(answer) == 2:
        found = f"{shown(answer[1])} as info"
    raise WrongAnswer(f"reset returned {found}; it has to return two values, observation and info (a dict)")


def wrong_step(answer: Any) -> WrongAnswer | None:
    """Return the problem of an answer of ``step`` that does not have five values; None if it has."""
    is_sequence = isinstance(answer, (tuple, list))
    if is_sequence and len(answer) == 5:
        return None
    found = f"{len(answer)} values" if is_sequence else shown(answer)
    return WrongAnswer(f"step returned {found}; it has to return five: {_STEP_FORM}")


def as_reward(reward: Any) -> float:
    """Return the reward of one environment: a real number, or an array of one.

    Raises:
        WrongAnswer: if it is anything else.

    Example:
        >>> as_reward(np.array([1.5]))
        1.5
    """
    found = shown(reward)
    if np.ma.is_masked(reward):
        raise WrongAnswer(f"the reward is masked; {_NUMBER}")
    with suppress(OverflowError, TypeError, RuntimeError):  # 10**400; a tensor on a GPU
        if isinstance(reward, (Real, np.bool_)):
            return float(reward)
        if hasattr(reward, "__array__"):  # tensors of other libraries, too
            array = np.asarray(reward)
            if array.size == 1 and array.dtype.kind in "biuf":
                return float(array.reshape(())[()])
            found = f"an array of shape {array.shape} and dtype {array.dtype}"
    raise WrongAnswer(f"the reward is {found}; {_NUMBER}")


def as_flag(name: str, flag: Any) -> bool:
    """Return a flag of one environment: a boolean, or an array of one.

    Raises:
        WrongAnswer: if it is anything else, an integer too.
    """
    if isinstance(flag, (bool, np.bool_)):
        return bool(flag)
    if isinstance(flag, np.ndarray) and flag.size == 1 and flag.dtype == np.bool_:
        return bool(flag.reshape(())[()])
    several = "; only one agent in each environment is supported" if isinstance(flag, Mapping) else ""
    raise WrongAnswer(f"{name} is {shown(flag)}; True or False was expected{several}")


def check_rewards(rewards: Array) -> None:
    """Check that rewards are finite, and that float32 can hold them.

    Args:
        rewards: ``[num_envs]`` float64 or float32.

    Raises:
        WrongAnswer: if one is not; it names the row.
    """
    # False where there is a NaN, too; vdot does not warn of an overflow
    if not float(np.vdot(rewards, rewards)) <= _LARGEST_SQUARE:
        right = np.isfinite(rewards) & (np.abs(rewards) <= _LARGEST)
        if not right.all():
            row = int(np.argmin(right))
            reason = "which float32 cannot hold" if np.isfinite(rewards[row]) else "a finite number was expected"
            raise WrongAnswer(f"the reward is {rewards[row]:g}, {reason}", row)


def native_rewards(rewards: Any, num_envs: int) -> Array:
    """Return the rewards of a native vector as ``[num_envs]`` float64, or float32 if they are, checked.

    Raises:
        WrongAnswer: if they have another shape, or are no real numbers.
    """
    array = np.asarray(rewards)
    if array.shape != (num_envs,) or array.dtype.kind not in "biuf":
        raise WrongAnswer(
            f"the reward has shape {array.shape} and dtype {array.dtype}; "
            f"real numbers of shape {(num_envs,)} were expected, one for each environment"
        )
    if array.dtype != np.float32:
        array = array.astype(np.float64, copy=False)
    check_rewards(array)
    return array


def native_flags(name: str, flags: Any, num_envs: int) -> Array:
    """Return the flags of a native vector, ``[num_envs]`` bool.

    Raises:
        WrongAnswer: if they have another shape, or are no booleans.
    """
    array = np.asarray(flags)
    if array.shape != (num_envs,) or array.dtype != np.bool_:
        raise WrongAnswer(
            f"{name} has shape {array.shape} and dtype {array.dtype}; "
            f"booleans of shape {(num_envs,)} were expected, one for each environment"
        )
    return array
