"""Anybody's environments in the form that actors expect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dm_env
import gymnasium
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.protocols import VectorEnv
from hsuanwu.common.registry import NO_KWARGS
from hsuanwu.env.fault import blamed
from hsuanwu.env.native_vector_env import NativeVectorEnv, autoreset_mode
from hsuanwu.env.serial_vector_env import SerialVectorEnv
from hsuanwu.env.single_env import DmEnvSingleEnv, GymnasiumSingleEnv, SameStepSingleEnv, SingleEnv


def as_vector_env(env: Any, reset_options: Mapping[str, Any] = NO_KWARGS) -> VectorEnv:
    """Return ``env`` as a vector environment in next-step autoreset form.

    Args:
        env: a ``gymnasium.Env``, a ``dm_env.Environment``, a ``gymnasium.vector.VectorEnv``, a
            ``VectorEnv`` of ours (returned as it is), or a list. A list holds single environments, or
            gymnasium vectors of one environment in mode SAME_STEP; it becomes a ``SerialVectorEnv``. A
            ``gymnasium.vector.SyncVectorEnv`` is taken apart, whatever its autoreset mode.
        reset_options: what each reset of a gymnasium environment is given as ``options``; empty for none.

    Raises:
        ConfigurationError: if it is something else, a space is not supported, or a vector of several
            environments is in mode SAME_STEP.

    Example:
        >>> env = as_vector_env([gymnasium.make("CartPole-v1") for _ in range(3)])
        >>> env.reset(seed=1).shape
        (3, 4)
    """
    with blamed("a space, a spec or metadata"):  # properties are code, too
        return _as_vector_env(env, reset_options)


def _as_vector_env(env: Any, reset_options: Mapping[str, Any]) -> VectorEnv:
    if type(env) is SyncVectorEnv:
        return SerialVectorEnv([_single(e, reset_options) for e in env.envs])
    if isinstance(env, gymnasium.vector.VectorEnv):
        if env.num_envs == 1 and autoreset_mode(env) is AutoresetMode.SAME_STEP:
            return SerialVectorEnv([SameStepSingleEnv(env, reset_options)])
        return NativeVectorEnv(env, reset_options)
    if isinstance(env, (gymnasium.Env, dm_env.Environment)):
        return SerialVectorEnv([_single(env, reset_options)])
    if isinstance(env, Sequence) and not isinstance(env, str):
        return SerialVectorEnv([_single(e, reset_options) for e in env])
    if isinstance(env, VectorEnv):
        return env
    raise ConfigurationError(f"env: found {type(env).__name__}; {_FORMS}")


_FORMS = "use a gymnasium.Env, a dm_env.Environment, a list of them, or a gymnasium.vector.VectorEnv"


def _single(env: Any, reset_options: Mapping[str, Any]) -> SingleEnv:
    if isinstance(env, gymnasium.vector.VectorEnv):
        if env.num_envs == 1 and autoreset_mode(env) is AutoresetMode.SAME_STEP:
            return SameStepSingleEnv(env, reset_options)
        raise ConfigurationError(
            f"env: found a {type(env.unwrapped).__name__} of {env.num_envs} in a list; "
            "only vectors of one environment in mode SAME_STEP can be put side by side"
        )
    if isinstance(env, gymnasium.Env):
        return GymnasiumSingleEnv(env, reset_options)
    if isinstance(env, dm_env.Environment):
        return DmEnvSingleEnv(env)
    raise ConfigurationError(f"env: found {type(env).__name__} in a list; {_FORMS}")
