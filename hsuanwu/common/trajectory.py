"""The trajectory: what actors write and learners read. Time-major, ``T`` steps of ``B`` environments.

| rows | field | meaning |
|---|---|---|
| T+1 | `observation` | tensor, or nest of tensors |
| T+1 | `is_first` | bool: this observation begins an episode; recurrent state is reset *before* it is consumed |
| T+1 | `last_action`, `last_reward` | what led here (zeros where `is_first`) |
| T | `action`, `log_prob` | chosen at row t, and its log-probability under the behaviour policy |
| T | `reward` | raw reward of `action[t]` |
| T | `terminated`, `truncated` | bool: how `action[t]` ended the episode, if it did |
| T | `valid` | False where the environment ignored the action to reset itself |
| - | `init_state` | recurrent state before row 0, `[B, ...]` leaves; `()` without |
| - | `policy_version` | version of the weights that acted, `[B]` |

After an end at row t, ``observation[t + 1]`` is the true final observation, so that its value is always
the right bootstrap; row t + 1 is then invalid, and row t + 2 is first. Actions are what the distribution
gave: a Discrete action counts from 0, whatever its space's ``start``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.nest import Nest, leaves, map_nest
from hsuanwu.common.slab import TensorSpec
from hsuanwu.common.spaces import Space


@dataclass
class Trajectory:
    """One stretch of experience; the fields are those of the table above."""

    observation: Nest
    is_first: Tensor
    last_action: Tensor
    last_reward: Tensor
    action: Tensor
    log_prob: Tensor
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    valid: Tensor
    init_state: Nest
    policy_version: Tensor

    @property
    def num_steps(self) -> int:
        """T, the number of steps."""
        return int(self.reward.shape[0])

    @property
    def num_envs(self) -> int:
        """B, the number of environments."""
        return int(self.reward.shape[1])

    def map(self, function: Any) -> Trajectory:
        """Return the trajectory whose tensors are ``function(tensor)``."""
        return Trajectory(**{f.name: map_nest(function, getattr(self, f.name)) for f in fields(self)})

    def to(self, device: torch.device) -> Trajectory:
        """Return the trajectory on ``device``; itself where it is there already."""
        if all(leaf.device == device for f in fields(self) for leaf in leaves(getattr(self, f.name))):
            return self
        return self.map(lambda x: x.to(device, non_blocking=True))


BATCH_AXIS = {"init_state": 0, "policy_version": 0}
"""The axis of the environments in each field; 1 where a field is not named."""

_OPTIONAL = ("valid", "init_state", "policy_version")


def as_trajectory(batch: Trajectory | Mapping[str, Any]) -> Trajectory:
    """Return ``batch`` as a Trajectory; a mapping of its fields is accepted too.

    A mapping may leave out ``valid`` (all rows count), ``init_state`` (``()``) and ``policy_version`` (0).

    Raises:
        ConfigurationError: if a field is missing or unknown, is no tensor, does not fit ``T`` and ``B``, or has a dtype
            of another kind.
    """
    if not isinstance(batch, Trajectory):
        batch = _from_mapping(batch)
    _check_rows(batch)
    return batch


def _from_mapping(batch: Mapping[str, Any]) -> Trajectory:
    names = [f.name for f in fields(Trajectory)]
    values = {name: batch[name] for name in names if name in batch}
    missing = [name for name in names if name not in values and name not in _OPTIONAL]
    unknown = [str(name) for name in batch if name not in names]
    if missing or unknown:
        raise ConfigurationError(
            f"batch: missing fields {missing}, unknown fields {unknown}; a trajectory has {', '.join(names)}"
        )
    if values.get("init_state", ()) is None:
        values["init_state"] = ()
    for name, value in values.items():
        if strange := [type(leaf).__name__ for leaf in leaves(value) if not isinstance(leaf, Tensor)]:
            raise ConfigurationError(f"batch.{name}: found {strange[0]}, expected torch.Tensor")
    reward = values["reward"]
    values.setdefault("valid", torch.ones_like(reward, dtype=torch.bool))
    values.setdefault("init_state", ())
    values.setdefault("policy_version", torch.zeros(reward.shape[1], dtype=torch.int64, device=reward.device))
    return Trajectory(**values)


def _check_rows(batch: Trajectory) -> None:
    if batch.reward.dim() != 2 or 0 in batch.reward.shape:
        raise ConfigurationError(
            f"batch.reward: found shape {tuple(batch.reward.shape)}, expected [T, B] with at least one row and column"
        )
    steps, envs = batch.num_steps, batch.num_envs
    for name in ("is_first", "last_action", "last_reward"):
        _check_shape(name, getattr(batch, name), (steps + 1, envs))
    map_nest(lambda x: _check_shape("observation", x, (steps + 1, envs)), batch.observation)
    for name in ("action", "log_prob", "terminated", "truncated", "valid"):
        _check_shape(name, getattr(batch, name), (steps, envs))
    for name in ("is_first", "terminated", "truncated", "valid"):
        # ~ of a uint8 or int64 flag would be no flag at all
        if getattr(batch, name).dtype != torch.bool:
            raise ConfigurationError(f"batch.{name}: found dtype {getattr(batch, name).dtype}, expected torch.bool")
    for name in ("reward", "log_prob"):
        if not getattr(batch, name).is_floating_point():
            raise ConfigurationError(f"batch.{name}: found dtype {getattr(batch, name).dtype}, expected torch.float32")


def _check_shape(name: str, x: Tensor, rows: tuple[int, int]) -> None:
    if tuple(x.shape[:2]) != rows:
        raise ConfigurationError(
            f"batch.{name}: found shape {tuple(x.shape)}, expected {rows} first "
            f"(time, environments; T comes from reward, observations have T + 1 rows)"
        )


def trajectory_specs(
    observation_space: Space, action_space: Space, num_steps: int, num_envs: int, state_spec: Nest = ()
) -> Trajectory:
    """Return a Trajectory that holds the ``TensorSpec`` of each tensor instead of the tensor.

    Args:
        observation_space: what one observation looks like.
        action_space: what one action looks like.
        num_steps: T.
        num_envs: B.
        state_spec: nest of ``TensorSpec``, the recurrent state of one environment.
    """

    def rows(count: int, spec: TensorSpec) -> TensorSpec:
        return TensorSpec((count, num_envs, *spec.shape), spec.dtype)

    flag, number = TensorSpec((), torch.bool), TensorSpec((), torch.float32)
    action = action_space.tensor_spec()
    return Trajectory(
        observation=map_nest(lambda spec: rows(num_steps + 1, spec), observation_space.tensor_spec()),
        is_first=rows(num_steps + 1, flag),  # type: ignore[arg-type]
        last_action=rows(num_steps + 1, action),  # type: ignore[arg-type]
        last_reward=rows(num_steps + 1, number),  # type: ignore[arg-type]
        action=rows(num_steps, action),  # type: ignore[arg-type]
        log_prob=rows(num_steps, number),  # type: ignore[arg-type]
        reward=rows(num_steps, number),  # type: ignore[arg-type]
        terminated=rows(num_steps, flag),  # type: ignore[arg-type]
        truncated=rows(num_steps, flag),  # type: ignore[arg-type]
        valid=rows(num_steps, flag),  # type: ignore[arg-type]
        init_state=map_nest(lambda spec: TensorSpec((num_envs, *spec.shape), spec.dtype), state_spec),
        policy_version=TensorSpec((num_envs,), torch.int64),  # type: ignore[arg-type]
    )


def concatenate(trajectories: Sequence[Trajectory], out: Trajectory) -> Trajectory:
    """Copy trajectories side by side, along the axis of environments, into ``out`` and return it."""
    for f in fields(Trajectory):
        axis = BATCH_AXIS.get(f.name, 1)
        parts = [getattr(t, f.name) for t in trajectories]
        map_nest(lambda target, *xs, axis=axis: torch.cat(xs, axis, out=target), getattr(out, f.name), *parts)
    return out
