"""Environments from gymnasium's registry."""

from __future__ import annotations

import copy
import dataclasses
import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, final

import gymnasium
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode

from hsuanwu.common.errors import ConfigurationError, nearest, one_line
from hsuanwu.common.interrupts import is_interruption
from hsuanwu.common.protocols import VectorEnv
from hsuanwu.common.registry import NO_KWARGS, register
from hsuanwu.env.fault import fault_of, is_refused_call, origin_of
from hsuanwu.env.imports import import_extra, import_module, load_object
from hsuanwu.env.make import as_vector_env
from hsuanwu.env.native_vector_env import autoreset_mode
from hsuanwu.env.picture import is_headless
from hsuanwu.env.statistics import check_no_statistics, refuse_statistics

_NO_LIMIT = -1
"""The ``max_episode_steps`` that ``gymnasium.make`` takes for none."""
_REFUSALS = (TypeError, ValueError, AssertionError, ImportError)
"""Errors of a wrapper's constructor that is called with arguments that it does not take."""


@final
@register("env", "gymnasium")
class GymnasiumEnvFactory:
    """Builds environments that are registered with gymnasium.

    An environment with a vector entry point is built as that native vector, unless wrappers are asked
    for; all others are stepped one by one. (``ALE/...`` ids have a native vector whose frames are
    already scaled, stacked and grey and whose rewards are clipped: ``env=atari`` says all that openly.)

    Args:
        id: ``"CartPole-v1"``; with a module that registers it, ``"my_module:MyEnv-v0"``. The module is
            imported where the environment is built.
        kwargs: arguments of the environment's constructor, and ``max_episode_steps``.
        wrappers: what is put around each single environment, innermost first: paths of ``gymnasium.Wrapper``
            classes, ``"my_module.MyWrapper"``, or ``{"path": "my_module.MyWrapper", "kwargs": {...}}``.
        native_vector: whether the environment's vector entry point is used, if it has one.
        reset_options: what each reset is given as ``options``; empty for none.

    Example:
        >>> env = GymnasiumEnvFactory("CartPole-v1")(num_envs=3)
        >>> env.reset(seed=1).shape
        (3, 4)
    """

    code_keys = ("wrappers",)
    """Arguments whose values name code."""

    def __init__(
        self,
        id: str,
        kwargs: dict[str, Any] = NO_KWARGS,
        wrappers: Sequence[Any] = (),
        native_vector: bool = True,
        reset_options: dict[str, Any] = NO_KWARGS,
    ) -> None:
        if isinstance(wrappers, str):
            raise ConfigurationError(f"env.wrappers: found {wrappers!r}; use a list, [{wrappers}]")
        self.id = id
        self.kwargs = dict(kwargs)
        self.wrappers = list(wrappers)
        self.native_vector = native_vector
        self.reset_options = dict(reset_options)

    def __call__(self, num_envs: int, render: bool = False) -> VectorEnv:
        """Return ``num_envs`` environments; with ``render`` they can draw themselves.

        Raises:
            ConfigurationError: if there is no such environment, module or wrapper, the constructor
                refuses ``kwargs``, a space is not supported, or the environment cannot draw itself.
            EnvironmentFault: if the code of one of them fails.
        """
        if render and is_headless():
            # pygame, with which many environments draw, looks for a display otherwise
            os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
        spec = self._find_spec()
        wrappers = [_load_wrapper(entry) for entry in self.wrappers]
        has_native = spec.vector_entry_point is not None and not spec.additional_wrappers
        has_native &= self.kwargs.get("max_episode_steps") != _NO_LIMIT  # a vector would take the number as it is
        if has_native and self.native_vector and not wrappers:
            return self._make_native(spec, num_envs, render)
        if spec.entry_point is None:
            raise ConfigurationError(
                f"env.native_vector: {spec.id} exists only as a native vector, without env.wrappers"
            )
        envs = [self._make_single(spec, wrappers, render) for _ in range(num_envs)]
        return as_vector_env(envs, self.reset_options)

    def _find_spec(self) -> EnvSpec:
        module, _, name = str(self.id).rpartition(":")
        if module:
            import_module(module, "env.id")
        else:
            _register_extra(name)
        try:
            return gymnasium.spec(name)
        except gymnasium.error.Error as error:
            message = one_line(error)
            hint = "" if "Did you mean" in message else nearest(name, gymnasium.registry)
            own = f"; {_origin(module)}" if module else "; an environment of your own is written 'my_module:MyEnv-v0'"
            raise ConfigurationError(f"env.id: {message} {hint}".rstrip(" .") + own) from error

    def _make_single(
        self, spec: EnvSpec, wrappers: list[Callable[[Any, str], Any]], render: bool
    ) -> gymnasium.Env[Any, Any]:
        if not (render or wrappers or spec.additional_wrappers):
            # the serial vector resets before it steps, so that none of its steps needs to ask whether it did
            spec = dataclasses.replace(spec, order_enforce=False)
        spec, limit = self._with_kwargs(spec, {"render_mode": "rgb_array"} if render else {})
        with self._one_line_errors(render):
            env = gymnasium.make(spec, disable_env_checker=True, **limit)
        if render and env.render_mode != "rgb_array":
            raise self._cannot_draw()
        for wrap in wrappers:
            env = wrap(env, self.id)
        check_no_statistics(env)
        return env

    def _with_kwargs(self, spec: EnvSpec, extra: dict[str, Any]) -> tuple[EnvSpec, dict[str, Any]]:
        """Return a spec with the user's arguments, and what is left for gymnasium itself.

        In the spec no name can collide with a parameter of ``gymnasium.make``.
        """
        kwargs = copy.deepcopy(self.kwargs) | extra
        limit = {key: kwargs.pop(key) for key in ("max_episode_steps",) if key in kwargs}
        return dataclasses.replace(spec, kwargs={**spec.kwargs, **kwargs}), limit

    def _make_native(self, spec: EnvSpec, num_envs: int, render: bool) -> VectorEnv:
        env = self._make_vector(spec, num_envs, {})
        extra: dict[str, Any] = {}
        if render:
            modes = env.metadata.get("render_modes", [])
            env.close()
            if "rgb_array" not in modes:
                raise self._cannot_draw()
            extra = {"render_mode": "rgb_array"}
            env = self._make_vector(spec, num_envs, extra)
        if num_envs > 1 and autoreset_mode(env) is AutoresetMode.SAME_STEP:
            env.close()
            return as_vector_env([self._make_vector(spec, 1, extra) for _ in range(num_envs)], self.reset_options)
        return as_vector_env(env, self.reset_options)

    def _make_vector(
        self, spec: EnvSpec, num_envs: int, extra: dict[str, Any]
    ) -> gymnasium.vector.VectorEnv[Any, Any, Any]:
        spec, limit = self._with_kwargs(spec, extra)
        limit = {key: value for key, value in limit.items() if value is not None}
        with self._one_line_errors(bool(extra)):
            env = gymnasium.make_vec(spec, num_envs, vectorization_mode="vector_entry_point", **limit)
        if not isinstance(env, gymnasium.vector.VectorEnv):
            raise ConfigurationError(
                f"env.id: the vector entry point of {self.id} gave a {type(env).__name__}; a "
                "gymnasium.vector.VectorEnv was expected (env.native_vector=false does without it)"
            )
        if env.num_envs != num_envs:
            raise ConfigurationError(
                f"env.id: {self.id}: {env.num_envs} environments came where num_envs={num_envs} were asked for (1 "
                "for a first look, envs_per_actor to train, up to 128 to evaluate); let its num_envs decide, or use "
                "env.native_vector=false"
            )
        check_no_statistics(env)
        return env

    @contextmanager
    def _one_line_errors(self, render: bool) -> Iterator[None]:
        try:
            yield
        except gymnasium.error.Error as error:
            if "Box2D is not installed" in str(error):
                raise ConfigurationError("env.id: Box2D is not installed; pip install 'hsuanwu[box2d]'") from error
            raise ConfigurationError(f"env.id: {self.id} cannot be built: {one_line(error)}") from error
        except BaseException as error:
            if is_interruption(error):
                raise
            if render and "render_mode" in str(error) and isinstance(error, (TypeError, ValueError)):
                raise self._cannot_draw() from error
            error = origin_of(error)
            if isinstance(error, ImportError) and is_refused_call(error):
                raise ConfigurationError(f"env.id: {self.id} cannot be built: {one_line(error)}") from error
            if isinstance(error, (TypeError, ValueError)) and is_refused_call(error):
                raise ConfigurationError(
                    f"env.kwargs: {self.id} cannot be built with {self.kwargs} ({one_line(error)})"
                ) from error
            # its cause is left out: of a StopIteration, a context manager would take it for Python's own
            raise fault_of(error, f"the constructor, with env.kwargs {self.kwargs},", self.id) from None

    def _cannot_draw(self) -> ConfigurationError:
        return ConfigurationError(
            f"env.id: {self.id} cannot draw itself (no render mode 'rgb_array'); "
            "if it has a native vector, env.native_vector=false may help"
        )


def _origin(module: str) -> str:
    """Return where a module came from: another one of that name may have been found first."""
    path = getattr(sys.modules[module], "__file__", None)
    return f"module {module} was imported from {path or 'Python itself'}"


def _register_extra(name: str) -> None:
    """Register the environments of an extra with gymnasium, if ``name`` is of one."""
    if name.startswith("ALE/"):
        gymnasium.register_envs(import_extra("ale_py", "ale-py", "atari", "env.id"))
    elif name.startswith("MiniGrid-"):
        gymnasium.register_envs(import_extra("minigrid", "minigrid", "minigrid", "env.id"))
    elif name.startswith("MinAtar/") and name not in gymnasium.registry:
        import_extra("minatar.gym", "minatar", "minatar", "env.id").register_envs()


def _load_wrapper(entry: Any) -> Callable[[Any, str], Any]:
    """Return the function that puts a wrapper around an environment."""
    path, kwargs = (entry.get("path"), dict(entry.get("kwargs") or {})) if isinstance(entry, Mapping) else (entry, {})
    if not isinstance(path, str) or (isinstance(entry, Mapping) and set(entry) - {"path", "kwargs"}):
        raise ConfigurationError(
            f"env.wrappers: found {entry!r}; use 'my_module.MyWrapper' or "
            "{'path': 'my_module.MyWrapper', 'kwargs': {...}}"
        )
    wrapper = load_object(path, "env.wrappers")
    refuse_statistics(wrapper)
    return functools.partial(_wrap, wrapper, path, kwargs)


def _wrap(wrapper: Callable[..., Any], path: str, kwargs: dict[str, Any], env: Any, name: str) -> Any:
    try:
        wrapped = _wrapped(wrapper, kwargs, env)
    except BaseException as error:
        if is_interruption(error):
            raise
        is_told = isinstance(error, gymnasium.error.Error)  # in words meant for the user: something is not installed
        if is_told or (isinstance(error, _REFUSALS) and is_refused_call(error)):
            raise ConfigurationError(
                f"env.wrappers: {path} cannot wrap {env} with {kwargs} ({one_line(error)})"
            ) from error
        raise fault_of(error, f"the constructor of wrapper {path}, with {kwargs},", name) from None
    if not isinstance(wrapped, gymnasium.Env):
        raise ConfigurationError(f"env.wrappers: {path} gave a {type(wrapped).__name__}; a gymnasium.Env was expected")
    return wrapped


def _wrapped(wrapper: Callable[..., Any], kwargs: dict[str, Any], env: Any) -> Any:
    try:
        return wrapper(env, **copy.deepcopy(kwargs))
    except (TypeError, AssertionError):
        # a configuration has lists, where some of gymnasium's own wrappers insist on tuples
        tuples = {name: tuple(x) if isinstance(x, list) else x for name, x in kwargs.items()}
        if tuples == kwargs:
            raise
        return wrapper(env, **copy.deepcopy(tuples))
