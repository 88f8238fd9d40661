"""Any encoder behind a running normalisation of its observations."""

from __future__ import annotations

from typing import TypeGuard

from torch import Tensor, nn

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.nest import Nest
from hsuanwu.common.spaces import Box, Dict, Space, SpaceLike, as_space
from hsuanwu.ops.moments import distance
from hsuanwu.xploit.encoder.base import Encoder
from hsuanwu.xploit.encoder.reading import Reading
from hsuanwu.xploit.encoder.running_moments import RunningMoments

CLIP = 10.0
"""Standard deviations from the mean at which an entry of an observation is cut off."""

_EPSILON = 1e-8
_REACH = 100.0
"""Of n samples of any distribution, at most n / 10,000 are so many standard deviations from the mean (Chebyshev)."""


class NormalizingEncoder(Encoder):
    """Another encoder, fed with observations of mean 0 and standard deviation 1, entry by entry.

    ``(x - mean) / std``, cut off at 10 standard deviations. Mean and standard deviation are running ones over all
    that the learner has seen; they are buffers, so that actors get them with the weights and checkpoints hold
    them. Numbers of a Box are normalised, those in a Dict too; discrete observations stay as they are.

    Args:
        observation_space: the observations, in any form that ``as_space`` takes.
        encoder: reads what is normalised; made for ``normalized_space(observation_space)``.

    Raises:
        ConfigurationError: if ``encoder`` holds another one of this class: both would learn the statistics of what the
            outer one is given.

    Example:
        >>> import torch
        >>> from hsuanwu.xploit.encoder import MlpEncoder
        >>> space = {"shape": (3,)}
        >>> encoder = NormalizingEncoder(space, MlpEncoder(normalized_space(space), feature_dim=8))
        >>> encoder(torch.zeros(5, 3)).shape
        torch.Size([5, 8])
    """

    def __init__(self, observation_space: SpaceLike, encoder: Encoder) -> None:
        super().__init__(observation_space, encoder.feature_dim)
        if any(isinstance(module, NormalizingEncoder) for module in encoder.modules()):
            raise ConfigurationError(
                f"normalize_observation: found true, but {type(encoder).__name__} holds a NormalizingEncoder already; "
                "use false"
            )
        self.encoder = encoder
        # a ModuleList in the order of the names, for names may hold dots
        self.moments = nn.ModuleList(RunningMoments(box.shape, reach=_REACH) for box in _boxes(self.observation_space))

    def forward(self, observation: Nest) -> Tensor:
        features: Tensor = self.encoder(self._normalized(self.observation_space, observation, list(self.moments)))
        return features

    def observe(self, observation: Nest) -> None:
        """Take observations into the statistics.

        Args:
            observation: ``[N, *shape]``; a dict of them for a Dict space.

        Raises:
            ConfigurationError: if they are not of the space: a policy shows its encoders whole observations.
        """
        if isinstance(observation, dict) != isinstance(self.observation_space, Dict):
            raise ConfigurationError(
                "encoder: a NormalizingEncoder is for whole observations, and this one is for a part of them; "
                "use normalize_observation=true instead"
            )
        for moments, x in zip(self.moments, _box_leaves(self.observation_space, observation), strict=True):
            moments.observe(x)  # type: ignore[operator]

    def readings(self, is_normalized: bool = False) -> dict[str, Reading]:
        return self.encoder.readings(is_normalized=True)

    def _normalized(self, space: Space, x: Nest, moments: list[nn.Module]) -> Nest:
        """Return ``x`` with its Box entries normalised by the first of ``moments``, which are taken from the list."""
        if isinstance(space, Dict):
            return {name: self._normalized(space.spaces[name], x[name], moments) for name in sorted(space.spaces)}
        return _standardized(x, moments.pop(0)) if _has_statistics(space) else x


def normalized_space(observation_space: SpaceLike) -> Space:
    """Return the space of what a ``NormalizingEncoder`` shows the encoder behind it.

    Example:
        >>> box = normalized_space({"shape": (2,), "type": "Box", "range": [0, 255], "dtype": "uint8"})
        >>> float(box.low.min()), float(box.high.max()), box.dtype.name
        (-10.0, 10.0, 'float32')
    """
    space = as_space(observation_space, "observation_space")
    if isinstance(space, Dict):
        return Dict({name: normalized_space(part) for name, part in space.spaces.items()})
    return Box(-CLIP, CLIP, space.shape) if isinstance(space, Box) else space


def _standardized(x: Tensor, moments: nn.Module) -> Tensor:
    assert isinstance(moments, RunningMoments)
    away = distance(x, moments.mean)
    scale = (moments.variance + _EPSILON).rsqrt().to(away.dtype)
    return (away * scale).clamp(-CLIP, CLIP).float()


def _boxes(space: Space) -> list[Box]:
    """Return the Box spaces in a space that have numbers, in the order of their names."""
    if isinstance(space, Dict):
        return [box for name in sorted(space.spaces) for box in _boxes(space.spaces[name])]
    return [space] if _has_statistics(space) else []


def _box_leaves(space: Space, x: Nest) -> list[Tensor]:
    """Return the entries of ``x`` whose spaces are those of ``_boxes``, in the same order."""
    if isinstance(space, Dict):
        return [leaf for name in sorted(space.spaces) for leaf in _box_leaves(space.spaces[name], x[name])]
    return [x] if _has_statistics(space) else []


def _has_statistics(space: Space) -> TypeGuard[Box]:
    return isinstance(space, Box) and 0 not in space.shape
