"""A record of random play: what an environment showed, gave and did, in numbers that fit into memory."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hsuanwu.common.nest import Nest, leaves
from hsuanwu.common.protocols import Array, Step, VectorEnv
from hsuanwu.common.spaces import Box, Dict, Space
from hsuanwu.env.action import random_action

_MOST_NUMBERS = 4096
"""Numbers of an entry of which statistics are kept; of larger ones, pictures, only the extremes are."""


@dataclass
class Entry:
    """Statistics of one entry of the observations.

    Attributes:
        key: what it is called.
        space: its space.
        low: least number seen, by place.
        high: greatest number seen.
        num_outside: observations with a number outside the bounds of the space.
    """

    key: str
    space: Space
    low: Array = field(default_factory=lambda: np.array(np.inf))
    high: Array = field(default_factory=lambda: np.array(-np.inf))
    num_outside: int = 0

    def add(self, batch: Array) -> None:
        """Take a batch in, ``[B, *shape]``."""
        if batch[0].size > _MOST_NUMBERS:
            self.low, self.high = np.minimum(self.low, batch.min()), np.maximum(self.high, batch.max())
        elif batch.size:
            self.low, self.high = np.minimum(self.low, batch.min(0)), np.maximum(self.high, batch.max(0))
        if isinstance(self.space, Box):
            outside = (batch < self.space.low) | (batch > self.space.high)
            self.num_outside += int(outside.reshape(len(batch), -1).any(-1).sum())


@dataclass
class Record:
    """Random play of some steps.

    Attributes:
        digests: of each row, all that was shown and given: two records of equal digests are equal.
        rewards: every reward of a step that was played.
        returns: of each episode that ended.
        lengths: likewise.
        num_terminated: how many of them were terminated; the others were truncated.
        entries: statistics of the observations.
        num_steps: steps of one environment that were played.
        seconds: the time of the steps.
    """

    entries: list[Entry]
    digests: list[bytes] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    returns: list[float] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    num_terminated: int = 0
    num_steps: int = 0
    seconds: float = 0.0


def record(
    env: VectorEnv,
    seed: int,
    num_steps: int,
    most_seconds: float = np.inf,
    action: Callable[[int], Array] | None = None,
    renew: Callable[[], None] = lambda: None,
) -> Record:
    """Return a record of ``num_steps`` steps of each environment, or of as many as ``most_seconds`` allow.

    Args:
        env: the environments.
        seed: of the reset.
        num_steps: at most.
        most_seconds: no step begins after so many seconds.
        action: gives the actions of a step, as a distribution would; None for random ones, always the same.
        renew: is called before each step.
    """
    found = Record([Entry(key, space) for key, space in _entries(env.observation_space)])
    choose = action or (lambda t: random_action(env.action_space, env.num_envs, t))
    totals, lengths, ended = np.zeros(env.num_envs), np.zeros(env.num_envs, int), np.zeros(env.num_envs, bool)
    _see(found, env.reset(seed))
    start = time.perf_counter()
    for t in range(num_steps):
        if time.perf_counter() - start > most_seconds:
            break
        renew()
        before = time.perf_counter()
        step = env.step(choose(t))
        found.seconds += time.perf_counter() - before
        found.num_steps += 1
        _see(found, step.observation, step)
        found.rewards += step.reward[~ended].tolist()
        totals, lengths = totals + step.reward, lengths + ~ended
        ended = step.terminated | step.truncated
        for i in np.flatnonzero(ended):
            found.returns.append(float(totals[i]))
            found.lengths.append(int(lengths[i]))
            found.num_terminated += int(step.terminated[i])
        totals[ended], lengths[ended] = 0, 0
    return found


def _see(found: Record, observation: Nest, step: Step | None = None) -> None:
    digest = hashlib.blake2b(digest_size=16)
    for entry, batch in zip(found.entries, leaves(observation), strict=True):
        entry.add(batch)
        digest.update(np.ascontiguousarray(batch).tobytes())
    for part in (step.reward, step.terminated, step.truncated) if step is not None else ():
        digest.update(part.tobytes())
    found.digests.append(digest.digest())


def _entries(space: Space, key: str = "observation") -> Iterator[tuple[str, Any]]:
    if isinstance(space, Dict):
        for name, part in space.spaces.items():
            yield from _entries(part, f"{key}.{name}")
    else:
        yield key, space
