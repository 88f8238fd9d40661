"""Environments in which every number says where it comes from, so that no row can be mistaken for another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import dm_env
import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from hsuanwu.common.protocols import Array

_LENGTHS = (3, 1, 4)
_NUM_TAGS = 2**20
_NUM_ACTIONS = 3
_FIRST_ACTION = 1


class _Counter:
    """The state of one counter environment, see ``CounterEnv``."""

    def __init__(self, tag: int, lengths: Sequence[int]) -> None:
        self.tag, self._lengths = tag, tuple(lengths)
        self.episode, self.step = 0, 0

    @property
    def row(self) -> tuple[int, int, int]:
        return self.tag, self.episode, self.step

    def advance(self, action: int) -> tuple[float, bool, bool]:
        """Count a step; return reward, terminated, truncated."""
        reward = 1000.0 * self.episode + 10.0 * self.step + float(action)
        self.step += 1
        ended = self.step >= self._lengths[(self.tag + self.episode) % len(self._lengths)]
        terminates = self.episode % 2 == 0
        return reward, ended and terminates, ended and not terminates

    def next_episode(self) -> None:
        self.episode, self.step = self.episode + 1, 0


@final
class CounterEnv(gymnasium.Env[Any, Any]):
    """Counts its episodes and steps, and says so.

    The observation is float32 ``[tag, episode, step]``, always the same array; ``tag`` is an integer drawn
    when the environment is seeded. The reward of a step is ``1000 * episode + 10 * step + action``, with the
    step before it and an action in {1, 2, 3}. Episode e lasts ``lengths[(tag + e) % len(lengths)]`` steps
    and is terminated if e is even, else truncated. To step an ended episode is an error.

    Args:
        lengths: lengths of the episodes, in turn.
    """

    def __init__(self, lengths: Sequence[int] = _LENGTHS) -> None:
        self.observation_space = _observation_space()
        self.action_space = _action_space()
        self._lengths, self._counter, self._ended = lengths, _Counter(0, lengths), True
        self._observation = np.zeros(3, np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        if seed is not None:
            self._counter = _Counter(int(self.np_random.integers(_NUM_TAGS)), self._lengths)
        else:
            self._counter.next_episode()
        self._ended = False
        self._observation[:] = self._counter.row
        return self._observation, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if self._ended or action not in self.action_space:
            raise RuntimeError(f"the episode has ended, or {action!r} is no action")
        reward, terminated, truncated = self._counter.advance(action)
        self._ended = terminated or truncated
        self._observation[:] = self._counter.row
        return self._observation, reward, terminated, truncated, {}


@final
class CounterVectorEnv(gymnasium.vector.VectorEnv[Any, Any, Any]):
    """Counter environments as a native vector, in any of gymnasium's three autoreset modes.

    All arrays are the same ones each time. In mode DISABLED a step is refused while an environment has
    ended, and an environment that a reset leaves alone shows -1.

    Args:
        num_envs: how many there are.
        autoreset_mode: what happens after an end.
        lengths: as for ``CounterEnv``.
    """

    def __init__(self, num_envs: int, autoreset_mode: AutoresetMode, lengths: Sequence[int] = _LENGTHS) -> None:
        self.num_envs = num_envs
        self.metadata = {"autoreset_mode": autoreset_mode}
        self.single_observation_space = _observation_space()
        self.single_action_space = _action_space()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._mode, self._lengths = autoreset_mode, lengths
        self._counters: list[_Counter] = []
        self._observation = np.zeros((num_envs, 3), np.float32)
        self._final = np.zeros((num_envs, 3), np.float32)
        self._reward = np.zeros(num_envs, np.float64)
        self._terminated = np.zeros(num_envs, np.bool_)
        self._truncated = np.zeros(num_envs, np.bool_)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, np.bool_))
        if seed is not None:
            tags = self.np_random.integers(_NUM_TAGS, size=self.num_envs)
            self._counters = [_Counter(int(tag), self._lengths) for tag in tags]
        else:
            for i in np.flatnonzero(mask):
                self._counters[i].next_episode()
        self._observation[~mask] = -1
        for i in np.flatnonzero(mask):
            self._observation[i] = self._counters[i].row
        self._terminated[mask] = self._truncated[mask] = False
        return self._observation, {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        if actions not in self.action_space:
            raise RuntimeError(f"{actions!r} are no actions")
        ended_before = self._terminated | self._truncated
        if self._mode is AutoresetMode.DISABLED and ended_before.any():
            raise RuntimeError(f"environments {np.flatnonzero(ended_before)} have ended; reset them first")
        for i, action in enumerate(actions):
            if ended_before[i] and self._mode is AutoresetMode.NEXT_STEP:
                self._restart(i)
                continue
            counter = self._counters[i]
            self._reward[i], self._terminated[i], self._truncated[i] = counter.advance(action)
            self._observation[i] = counter.row
        ended = self._terminated | self._truncated
        if self._mode is not AutoresetMode.SAME_STEP or not ended.any():
            return self._observation, self._reward, self._terminated, self._truncated, {}
        self._final[:] = self._observation
        for index in np.flatnonzero(ended):
            self._counters[index].next_episode()
            self._observation[index] = self._counters[index].row
        info = {"final_obs": self._final, "_final_obs": ended}
        return self._observation, self._reward, self._terminated, self._truncated, info

    def _restart(self, i: int) -> None:
        self._counters[i].next_episode()
        self._observation[i] = self._counters[i].row
        self._reward[i], self._terminated[i], self._truncated[i] = 0, False, False


@final
class CounterDmEnv(dm_env.Environment):
    """A counter environment in dm_env's words; observations are 64-bit and in a dict.

    Args:
        seed: of the tag.
        lengths: as for ``CounterEnv``.
    """

    def __init__(self, seed: int, lengths: Sequence[int]) -> None:
        self._counter = _Counter(int(np.random.default_rng(seed).integers(_NUM_TAGS)), lengths)
        self._is_new, self._ended = True, True
        self._place, self._tag = np.zeros(2), np.zeros(())

    def reset(self) -> dm_env.TimeStep:
        if not self._is_new:
            self._counter.next_episode()
        self._is_new = self._ended = False
        return dm_env.restart(self._observe())

    def step(self, action: Any) -> dm_env.TimeStep:
        if self._ended:
            raise RuntimeError("the episode has ended")
        reward, terminated, truncated = self._counter.advance(int(action) + _FIRST_ACTION)
        self._ended = terminated or truncated
        if terminated:
            return dm_env.termination(reward, self._observe())
        if truncated:
            return dm_env.truncation(reward, self._observe(), discount=0.5)
        return dm_env.transition(reward, self._observe(), discount=0.9)

    def observation_spec(self) -> dict[str, dm_env.specs.Array]:
        return {
            "tag": dm_env.specs.Array((), np.float64, "tag"),
            "place": dm_env.specs.Array((2,), np.float64, "place"),
        }

    def action_spec(self) -> dm_env.specs.DiscreteArray:
        return dm_env.specs.DiscreteArray(_NUM_ACTIONS, name="action")

    def _observe(self) -> dict[str, Array]:
        tag, *place = self._counter.row
        self._tag[...], self._place[:] = tag, place
        return {"tag": self._tag, "place": self._place}


def make_counter_dm_env(seed: int = 0, lengths: Sequence[int] = _LENGTHS) -> dm_env.Environment:
    """Return a counter environment in dm_env's words, see ``CounterDmEnv``."""
    return CounterDmEnv(seed, lengths)


def _observation_space() -> spaces.Box:
    return spaces.Box(-1, np.inf, (3,))


def _action_space() -> spaces.Discrete:
    return spaces.Discrete(_NUM_ACTIONS, start=_FIRST_ACTION)
