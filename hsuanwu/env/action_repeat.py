"""Actions that are held for several steps of a dm_env environment."""

from __future__ import annotations

from typing import Any, final

import dm_env

from hsuanwu.common.errors import ConfigurationError


@final
class ActionRepeat(dm_env.Environment):
    """Holds each action for several steps of another environment, and sums their rewards.

    Where the time between two actions is short, one of them alone hardly changes anything, and learning which was
    good takes long. An end in the middle ends the repetition. Observation and discount are those of the
    last step; all else, ``physics`` say, is the other environment's.

    Args:
        env: the environment.
        num_repeats: steps that an action is held for; at least 1.

    Raises:
        ConfigurationError: if ``num_repeats`` is below 1.
    """

    def __init__(self, env: dm_env.Environment, num_repeats: int) -> None:
        if num_repeats < 1:
            raise ConfigurationError(f"env.action_repeat: found {num_repeats}; use an integer of 1 or more")
        self._env, self._num_repeats = env, num_repeats

    def __getattr__(self, name: str) -> Any:
        if name == "_env":  # asked for before __init__, by pickle say
            raise AttributeError(name)
        return getattr(self._env, name)

    def reset(self) -> dm_env.TimeStep:
        """Start an episode; return its first time step."""
        return self._env.reset()

    def step(self, action: Any) -> dm_env.TimeStep:
        """Apply an action several times; return the last time step with the sum of rewards."""
        step = self._env.step(action)
        total = step.reward
        for _ in range(self._num_repeats - 1):
            if step.last() or step.first():  # dm_env resets itself in the step after an end
                break
            step = self._env.step(action)
            total = total + step.reward  # a new number: an array of it may be the environment's own
        return step._replace(reward=total)

    def observation_spec(self) -> Any:
        return self._env.observation_spec()

    def action_spec(self) -> Any:
        return self._env.action_spec()

    def control_timestep(self) -> float:
        """Return the seconds between two actions, of an environment that says them, as dm_control's do."""
        return float(self._env.control_timestep()) * self._num_repeats

    def close(self) -> None:
        self._env.close()
