"""The DeepMind Control Suite."""

from __future__ import annotations

import copy
import os
from importlib.metadata import version
from typing import Any, final

import dm_env

from hsuanwu.common.errors import ConfigurationError, nearest, one_line
from hsuanwu.common.protocols import VectorEnv
from hsuanwu.common.registry import NO_KWARGS, register
from hsuanwu.env.action_repeat import ActionRepeat
from hsuanwu.env.imports import import_extra
from hsuanwu.env.picture import is_headless
from hsuanwu.env.serial_vector_env import SerialVectorEnv
from hsuanwu.env.single_env import DmEnvSingleEnv, dm_env_painter, reseed_in_place

_DRAWN_WHEN_BUILT = ("lqr",)
"""Domains whose physics is random, and is drawn when they are built: a seed builds them anew."""


@final
@register("env", "dmc")
class DmControlEnvFactory:
    """Builds tasks of the DeepMind Control Suite.

    Observations are a Dict of what the task shows, actions are in [-1, 1], an episode is 1000 steps and
    cut by the time limit (a truncation) in nearly all tasks. On a Linux machine without a display,
    ``MUJOCO_GL`` is set, unless the user has set it, when the first environment is built: to ``egl`` if that
    works there, else to ``disabled``.

    Args:
        domain: ``"cartpole"``.
        task: ``"balance"``.
        task_kwargs: arguments of the task, ``time_limit`` say (seconds).
        environment_kwargs: arguments of ``dm_control.rl.control.Environment``, ``flat_observation`` say.
        action_repeat: control steps that one action is held for, their rewards summed; at least 1. An episode
            of 1000 control steps has ``1000 / action_repeat`` steps.

    References:
        Tassa et al., DeepMind Control Suite, arXiv 1801.00690.
    """

    def __init__(
        self,
        domain: str,
        task: str,
        task_kwargs: dict[str, Any] = NO_KWARGS,
        environment_kwargs: dict[str, Any] = NO_KWARGS,
        action_repeat: int = 1,
    ) -> None:
        self.domain, self.task = domain, task
        self.task_kwargs = dict(task_kwargs)
        self.environment_kwargs = dict(environment_kwargs)
        self.action_repeat = action_repeat

    def __call__(self, num_envs: int, render: bool = False) -> VectorEnv:
        """Return ``num_envs`` environments; with ``render`` they can draw themselves.

        Raises:
            ConfigurationError: if dm_control is not installed, there is no such task, it refuses its
                arguments, or nothing can be drawn on this machine.
        """
        suite = _import_suite()
        self._check_names(suite)
        envs = [self._load(suite, self.task_kwargs) for _ in range(num_envs)]
        if render:
            _check_drawing(envs[0])

        def rebuild(env: dm_env.Environment, seed: int) -> dm_env.Environment:
            env.close()
            return self._load(suite, {**self.task_kwargs, "random": seed})

        reseed = rebuild if self.domain in _DRAWN_WHEN_BUILT else reseed_in_place
        name = f"{self.domain}-{self.task}"
        return SerialVectorEnv([DmEnvSingleEnv(env, reseed, name) for env in envs])

    def _check_names(self, suite: Any) -> None:
        domains = sorted({domain for domain, _ in suite.ALL_TASKS})
        if self.domain not in domains:
            raise ConfigurationError(
                f"env.domain: {self.domain!r} is unknown; {nearest(str(self.domain), domains)}"
                f"domains: {', '.join(domains)}"
            )
        tasks = sorted(task for domain, task in suite.ALL_TASKS if domain == self.domain)
        if self.task not in tasks:
            raise ConfigurationError(
                f"env.task: {self.domain} has no task {self.task!r}; {nearest(str(self.task), tasks)}"
                f"tasks: {', '.join(tasks)}"
            )

    def _load(self, suite: Any, task_kwargs: dict[str, Any]) -> dm_env.Environment:
        try:
            env = suite.load(self.domain, self.task, *copy.deepcopy((task_kwargs, self.environment_kwargs)))
        except TypeError as error:
            raise ConfigurationError(
                f"env.task_kwargs: {self.domain} {self.task} cannot be built with {self.task_kwargs} and "
                f"env.environment_kwargs {self.environment_kwargs} ({one_line(error)})"
            ) from error
        except Exception as error:  # versions of dm_control and mujoco that do not fit fail in many ways
            raise ConfigurationError(
                f"env.domain: dm_control {version('dm_control')} cannot build {self.domain} {self.task} with "
                f"mujoco {version('mujoco')} ({type(error).__name__}: {one_line(error)}); "
                "pip install 'hsuanwu[dmc]' installs versions that fit"
            ) from error
        return env if self.action_repeat == 1 else ActionRepeat(env, self.action_repeat)


def _import_suite() -> Any:
    """Return ``dm_control.suite``, with an OpenGL backend that can be imported on this machine."""
    import_extra("dm_control", "dm_control", "dmc", "env.domain")
    if is_headless() and "MUJOCO_GL" not in os.environ:
        os.environ["MUJOCO_GL"] = "egl"
        try:
            import dm_control._render  # noqa: F401 - fails where EGL finds no device
        except Exception:
            os.environ["MUJOCO_GL"] = "disabled"
    return import_extra("dm_control.suite", "dm_control", "dmc", "env.domain")


def _check_drawing(env: dm_env.Environment) -> None:
    """Draw once, so that a machine that cannot is found out before a run and not in the middle of it."""
    env.reset()
    try:
        dm_env_painter(env)()
    except Exception as error:
        raise ConfigurationError(
            f"env.domain: dm_control cannot draw on this machine ({type(error).__name__}: {one_line(error)}); "
            f"MUJOCO_GL is {os.environ.get('MUJOCO_GL', 'not set')}, try egl or osmesa"
        ) from error
