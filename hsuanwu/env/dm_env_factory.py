"""Environments that speak dm_env, from a factory of the user's."""

from __future__ import annotations

import copy
import inspect
from typing import Any, final

import dm_env

from hsuanwu.common.errors import ConfigurationError, one_line
from hsuanwu.common.interrupts import is_interruption
from hsuanwu.common.protocols import VectorEnv
from hsuanwu.common.registry import NO_KWARGS, register
from hsuanwu.env.fault import blamed, fault_of, is_refused_call
from hsuanwu.env.imports import load_object
from hsuanwu.env.serial_vector_env import SerialVectorEnv
from hsuanwu.env.single_env import DmEnvSingleEnv, dm_env_painter, reseed_in_place


@final
@register("env", "dm_env")
class DmEnvFactory:
    """Builds dm_env environments by calling a function that returns one.

    dm_env has no word for seeds. If the function takes an argument ``seed``, each environment is built
    anew with a seed of its own whenever a run is seeded; else see ``reseed_in_place``.

    Args:
        factory: path of the function, ``"my_module.make"``. It is imported where the environment is built.
        kwargs: its arguments.

    Example:
        >>> env = DmEnvFactory("hsuanwu.env.probes.make_identity_dm_env")(num_envs=2)
        >>> env.action_space
        Discrete(n=4, start=0)
    """

    code_keys = ("factory",)
    """Arguments whose values name code."""

    def __init__(self, factory: str, kwargs: dict[str, Any] = NO_KWARGS) -> None:
        self.factory = factory
        self.kwargs = dict(kwargs)

    def __call__(self, num_envs: int, render: bool = False) -> VectorEnv:
        """Return ``num_envs`` environments; with ``render`` they can draw themselves.

        Raises:
            ConfigurationError: if the function is not found, refuses its arguments or returns anything but
                a ``dm_env.Environment``, a spec is not supported, or the environment cannot draw itself.
        """
        make = load_object(self.factory, "env.factory")
        if not callable(make):
            raise ConfigurationError(f"env.factory: {self.factory} is a {type(make).__name__}, not a function")
        takes_seed = "seed" not in self.kwargs and _takes_seed(make)

        def build(seed: int) -> dm_env.Environment:
            return self._build(make, {**self.kwargs, "seed": seed} if takes_seed else self.kwargs)

        def rebuild(env: dm_env.Environment, seed: int) -> dm_env.Environment:
            env.close()
            return build(seed)

        envs = [build(seed=i) for i in range(num_envs)]
        if render:
            dm_env_painter(envs[0])
        reseed = rebuild if takes_seed else reseed_in_place
        with blamed("a spec", self.factory):
            return SerialVectorEnv([DmEnvSingleEnv(env, reseed, self.factory) for env in envs])

    def _build(self, make: Any, kwargs: dict[str, Any]) -> dm_env.Environment:
        try:
            env = make(**copy.deepcopy(kwargs))
        except BaseException as error:
            if is_interruption(error):
                raise
            if isinstance(error, (TypeError, ValueError)) and is_refused_call(error):
                raise ConfigurationError(
                    f"env.kwargs: {self.factory} cannot be called with {kwargs} ({one_line(error)})"
                ) from error
            raise fault_of(error, f"env.factory, with env.kwargs {kwargs},", self.factory) from error
        if not isinstance(env, dm_env.Environment):
            raise ConfigurationError(
                f"env.factory: {self.factory} returned a {type(env).__name__}; a dm_env.Environment was expected"
            )
        return env


def _takes_seed(make: Any) -> bool:
    try:
        return "seed" in inspect.signature(make).parameters
    except (TypeError, ValueError):
        return False
