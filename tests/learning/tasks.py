"""A native vector environment with known values, in each autoreset mode; ``tests.learning.tasks:Cycle...-v0``."""

import functools

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space


class CycleVectorEnv(gymnasium.vector.VectorEnv):
    """Goes through phases 0, 1, 2, ... and begins again; phase p pays ``rewards[p]``, whatever the action.

    The observation is the phase as a one-hot vector. Episodes start in phase 0 and end after ``num_steps``
    steps, by termination or by truncation. With a number of steps that is no multiple of the phases, the final
    observation is one that also occurs in the middle of episodes, and is worth something else than the first.
    """

    def __init__(self, num_envs, autoreset_mode, rewards=(1.0,), num_steps=5, terminates=False):
        self.num_envs = num_envs
        self.metadata = {"autoreset_mode": autoreset_mode}
        self._rewards, self._num_steps, self._terminates = np.array(rewards), num_steps, terminates
        self.single_observation_space = spaces.Box(0, 1, (len(rewards),))
        self.single_action_space = spaces.Discrete(2)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._mode = autoreset_mode
        self._step = np.zeros(num_envs, int)

    def reset(self, *, seed=None, options=None):
        self._step[(options or {}).get("reset_mask", slice(None))] = 0
        return self._observe(), {}

    def step(self, actions):
        reward = self._rewards[self._step % len(self._rewards)]
        waits = self._step >= self._num_steps
        self._step = np.where(waits, 0, self._step + 1)
        ended = self._step >= self._num_steps
        info = {}
        if self._mode is AutoresetMode.SAME_STEP and ended.any():
            info = {"final_obs": self._observe(), "_final_obs": ended}
            self._step[ended] = 0
        reward = np.where(waits, 0.0, reward)
        never = np.zeros_like(ended)
        terminated, truncated = (ended, never) if self._terminates else (never, ended)
        return self._observe(), reward, terminated, truncated, info

    def _observe(self):
        return np.eye(len(self._rewards), dtype=np.float32)[self._step % len(self._rewards)]


for _mode in AutoresetMode:
    gymnasium.register(
        f"Cycle{_mode.value}-v0", vector_entry_point=functools.partial(CycleVectorEnv, autoreset_mode=_mode)
    )


class RescaledAction(gymnasium.ActionWrapper):
    """Takes actions from ``low`` to ``high`` for those from -1 to 1."""

    def __init__(self, env, low, high):
        super().__init__(env)
        self.action_space = spaces.Box(low, high, env.action_space.shape)
        self._middle, self._half = (high + low) / 2, (high - low) / 2

    def action(self, action):
        assert self.action_space.contains(action)
        return ((action - self._middle) / self._half).astype(np.float32)


def true_values(rewards, num_steps, terminates, discount):
    """Return the value of each phase; ``rewards`` has a phase for each step where episodes terminate."""
    horizon = 1000
    values = []
    for phase in range(len(rewards)):
        to_come = num_steps - phase if terminates else horizon
        values.append(sum(discount**k * rewards[(phase + k) % len(rewards)] for k in range(to_come)))
    return np.array(values)
