"""What rooms expect of each other, where neither may import the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy.typing as npt

from hsuanwu.common.nest import Nest
from hsuanwu.common.spaces import Space

Array = npt.NDArray[Any]


class Step(NamedTuple):
    """What a vector environment answers to one action for each of its ``B`` environments.

    The arrays belong to the environment and hold until its next call.
    """

    observation: Nest
    """``[B, ...]`` leaves; after an end, the true final observation."""
    reward: Array
    """``[B]`` raw rewards; 0 where the action was ignored."""
    terminated: Array
    """``[B]`` bool: the episode ended because the task did."""
    truncated: Array
    """``[B]`` bool: the episode was cut from outside, by a time limit say."""
    infos: Sequence[tuple[int, Mapping[str, float]]] = ()
    """Of environments whose episode ended, where they told any: index and numbers of their last ``info``."""


@runtime_checkable
class VectorEnv(Protocol):
    """``B`` environments stepped together, in next-step autoreset form.

    After ``terminated[i] | truncated[i]``, the next ``step`` ignores ``action[i]``, resets environment
    ``i`` and shows the first observation of its new episode, with reward 0 and both flags False.
    """

    num_envs: int
    observation_space: Space
    action_space: Space

    def reset(self, seed: int) -> Nest:
        """Start a new episode everywhere, all streams derived from ``seed``; return ``[B, ...]`` observations."""

    def step(self, action: Array) -> Step:
        """Apply ``action``, ``[B, ...]``, as a distribution gave it (Discrete counts from 0)."""

    def render(self) -> Array:
        """Return a picture of environment 0, ``[height, width, 3]`` uint8."""

    def close(self) -> None:
        """Free what the environments hold; may be called twice."""


@runtime_checkable
class DirectVectorEnv(VectorEnv, Protocol):
    """A vector environment that can show its observations in memory of the caller."""

    def step_into(self, action: Array, observation: Nest) -> Step:
        """Do as ``step`` does; the observations are written into ``observation``, ``[B, ...]`` arrays."""


@runtime_checkable
class StaggeringVectorEnv(VectorEnv, Protocol):
    """A vector environment that can begin at another step of an episode in each environment."""

    def reset_staggered(self, seed: int, num_steps: int) -> Nest:
        """Do as ``reset`` does, then play less than ``num_steps`` random actions, another number in each."""


@runtime_checkable
class AsyncVectorEnv(VectorEnv, Protocol):
    """A vector environment that may be able to step in threads of its own.

    Attributes:
        is_async: whether it is.
    """

    is_async: bool

    def send(self, action: Array) -> None:
        """Begin a step and return; nothing else may be asked before ``receive``."""

    def receive(self) -> Step:
        """Return the outcome of the step that was begun, as ``step`` would."""


class EnvFactory(Protocol):
    """Builds a vector environment where it is called; can be pickled."""

    def __call__(self, num_envs: int, render: bool = False) -> VectorEnv:
        """Return ``num_envs`` environments; with ``render`` they can draw themselves.

        Raises:
            ConfigurationError: if there is no such environment.
        """
