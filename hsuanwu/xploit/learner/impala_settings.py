"""The hyper-parameters of the IMPALA objective, read from ``cfgs.learner`` and checked."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from hsuanwu.common.errors import ConfigurationError


@dataclass(frozen=True)
class ImpalaSettings:
    """The hyper-parameters that the loss reads; meanings and defaults stand in ``IMPALALearner``.

    Raises:
        ConfigurationError: one line that names the key, if a value is not a number or is out of range.
    """

    ent_coef: float
    baseline_coef: float
    max_grad_norm: float
    discount: float
    lambda_: float
    clip_rho: float
    clip_c: float
    clip_pg_rho: float
    loss_reduction: str
    reward_clip: float | None
    normalize_reward: bool
    bound_coef: float

    def __post_init__(self) -> None:
        self._check("loss_reduction", self.loss_reduction in ("sum", "mean"), "'sum' or 'mean'")
        for name in ("discount", "lambda_"):
            self._check(name, self._is_number(name) and 0 <= getattr(self, name) <= 1, "a number in [0, 1]")
        for name in ("ent_coef", "baseline_coef", "bound_coef"):
            is_right = self._is_number(name) and 0 <= getattr(self, name) < math.inf
            self._check(name, is_right, "a finite number of 0 or more")
        for name in ("clip_rho", "clip_c", "clip_pg_rho", "max_grad_norm"):
            is_right = self._is_number(name) and getattr(self, name) > 0
            self._check(name, is_right, "a number above 0 (inf for no clipping)")
        is_right = self.reward_clip is None or (self._is_number("reward_clip") and self.reward_clip > 0)
        self._check("reward_clip", is_right, "a number above 0, or null")
        self._check("normalize_reward", isinstance(self.normalize_reward, bool), "true or false")

    def _is_number(self, name: str) -> bool:
        value = getattr(self, name)
        return isinstance(value, (int, float)) and not isinstance(value, bool)

    def _check(self, name: str, is_right: bool, expected: str) -> None:
        if not is_right:
            raise ConfigurationError(f"learner.{name}: found {getattr(self, name)!r}; use {expected}")

    @classmethod
    def read(cls, cfgs: Any, learner_class: type) -> ImpalaSettings:
        """Return the settings in ``cfgs.learner``; what it leaves out takes the constructor's default.

        Args:
            cfgs: a mapping with a key ``learner``, or an object with an attribute ``learner``; so is that.
            learner_class: whose constructor has the defaults.

        Raises:
            ConfigurationError: if there is no such section, or a value in it is wrong.
        """
        section = _get(cfgs, "learner", None)
        if section is None:
            raise ConfigurationError(
                "cfgs.learner: missing; update reads the hyper-parameters there, {} takes defaults"
            )
        return cls(**{f.name: _get(section, f.name, default_of(learner_class, f.name)) for f in fields(cls)})


def _get(section: Any, name: str, default: Any) -> Any:
    return section.get(name, default) if isinstance(section, Mapping) else getattr(section, name, default)


@functools.cache
def default_of(learner_class: type, name: str) -> Any:
    """Return the default of a constructor's parameter; that of a parent where a class passes arguments on."""
    for parent in learner_class.__mro__:
        parameter = inspect.signature(parent).parameters.get(name)
        if parameter is not None:
            return parameter.default
    raise TypeError(f"{learner_class.__name__} has no parameter {name}")
