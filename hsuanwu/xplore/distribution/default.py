"""Which distribution fits which action space."""

from __future__ import annotations

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.registry import lookup
from hsuanwu.common.spaces import ACTION_FORMS, Box, Discrete, MultiBinary, MultiDiscrete, Space, SpaceLike, as_space
from hsuanwu.xplore.distribution.base import Distribution

_NAMES: dict[type[Space], str] = {
    Discrete: "categorical",
    MultiDiscrete: "multi_categorical",
    MultiBinary: "bernoulli",
    Box: "diagonal_gaussian",
}


def default_distribution(action_space: SpaceLike) -> Distribution:
    """Return the distribution that fits an action space best, with its default hyper-parameters.

    Args:
        action_space: the actions, in any form that ``as_space`` takes.

    Raises:
        ConfigurationError: if no distribution fits; Dict spaces of actions are not supported.

    Example:
        >>> type(default_distribution({"shape": (3,), "type": "Discrete", "range": [0, 2]})).__name__
        'Categorical'
    """
    space = as_space(action_space, "action_space")
    name = _NAMES.get(type(space))
    if name is None or (isinstance(space, Box) and space.dtype.kind != "f"):
        raise ConfigurationError(f"action_space: found {space}, which no distribution fits; {ACTION_FORMS}")
    distribution: Distribution = lookup("distribution", name)(space)
    return distribution


def misfit(name: str, needs: str, space: Space) -> ConfigurationError:
    """Return the error for a distribution that does not fit an action space.

    Args:
        name: the distribution's name in the registry.
        needs: what action space it needs, such as ``"a Discrete action_space"``.
        space: the action space that was found.
    """
    default = _NAMES.get(type(space))
    # what is recommended must not be refused next
    is_refused = 0 in space.shape or (isinstance(space, Box) and space.dtype.kind != "f")
    right = ACTION_FORMS if default in (None, name) or is_refused else f"use distribution={default}"
    return ConfigurationError(f"distribution: {name} needs {needs}, found {space}; {right}")
