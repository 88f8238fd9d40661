"""An examination of an environment before training: what is right, doubtful or wrong, and what to do about it."""

from __future__ import annotations

import os
import pickle
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch

from hsuanwu.common.deadline import Deadline
from hsuanwu.common.errors import ConfigurationError, EnvironmentFault, one_line
from hsuanwu.common.process_settings import settings_kept
from hsuanwu.common.protocols import Array, EnvFactory, VectorEnv
from hsuanwu.common.spaces import Box, Dict, Space
from hsuanwu.env.visit import visit
from hsuanwu.testing.env_record import Entry, Record, record
from hsuanwu.xplore.distribution import default_distribution

RIGHT, DOUBTFUL, WRONG = "right", "doubtful", "wrong"

_NUM_ENVS = 2
_MOST_SECONDS = 15.0
_FEW_STEPS = 200
_NORMALIZE_OBSERVATION, _NORMALIZE_REWARD = "Use normalize_observation=true.", "Use learner.normalize_reward=true."
_LARGE = 10.0
"""Size from which numbers should be brought nearer to 1."""


@dataclass(frozen=True)
class Finding:
    """One thing that an examination found.

    Attributes:
        verdict: ``"right"``, ``"doubtful"`` or ``"wrong"``.
        subject: what it is about.
        text: what was found.
        cure: what to do about it; empty where it is right.
    """

    verdict: str
    subject: str
    text: str
    cure: str = ""

    def __str__(self) -> str:
        cure = f"\n{'':22}{self.cure}" if self.cure else ""
        return f"{self.verdict:9} {self.subject:11} {self.text}{cure}"


def check_env(factory: EnvFactory, num_steps: int = 2000) -> list[Finding]:
    """Return what an examination found, if nothing is wrong; see ``examine_env``.

    Raises:
        AssertionError: if something is wrong; it says what, and the cure.

    Example:
        >>> from hsuanwu.env import GymnasiumEnvFactory
        >>> findings = check_env(GymnasiumEnvFactory("CartPole-v1"), num_steps=100)
        >>> findings[0].subject
        'answers'
    """
    findings = examine_env(factory, num_steps)
    wrong = [finding for finding in findings if finding.verdict == WRONG]
    assert not wrong, "\n".join(map(str, wrong))
    return findings


def examine_env(factory: EnvFactory, num_steps: int = 2000, timeout_seconds: float = 60.0) -> list[Finding]:
    """Play random actions in two environments, several times over, and return what is to be said of them.

    Args:
        factory: builds the environments; can be pickled: a factory of ``hsuanwu.env``, or a function of a module that
            takes ``num_envs`` and returns what ``hsuanwu.env.as_vector_env`` makes.
        num_steps: steps of each environment; fewer where they take longer than 15 seconds.
        timeout_seconds: how long an environment may take for what is asked of it.

    Raises:
        ConfigurationError: if ``factory`` is none.
    """
    copied = _copied(factory)
    findings: list[Finding] = []
    before = _globals()
    try:
        with visit("check", timeout_seconds) as alarm, closing(_vector(copied)) as env:
            default_distribution(env.action_space)  # refuses what no agent can do
            for finding in _examine(factory, env, num_steps, alarm, before):
                findings.append(finding)
    except EnvironmentFault as fault:
        findings.append(Finding(WRONG, "answers" if not fault.trace else "code", str(fault), _CURE_OF_FAULT))
    except _NoFactoryError:
        raise
    except ConfigurationError as error:
        findings.append(Finding(WRONG, "form", str(error), "Training is refused with the same line."))
    return findings


def _vector(factory: EnvFactory) -> VectorEnv:
    env = factory(_NUM_ENVS)
    if not hasattr(env, "num_envs"):
        raise _NoFactoryError(
            f"factory: gave a {type(env).__name__}; use GymnasiumEnvFactory('my_module:MyEnv-v0'), or make a vector of "
            "several by hsuanwu.env.as_vector_env"
        )
    return env


def cured(finding: Finding, normalize_observation: bool, normalize_reward: bool) -> Finding:
    """Return a finding as it is where the cure that it names is taken already."""
    taken = {_NORMALIZE_OBSERVATION: normalize_observation, _NORMALIZE_REWARD: normalize_reward}
    if not taken.get(finding.cure):
        return finding
    return Finding(RIGHT, finding.subject, f"{finding.text}, and normalised")


class _NoFactoryError(ConfigurationError):
    """What was given builds no vectors: a mistake of the caller's, and nothing to be found in an environment."""


def _copied(factory: EnvFactory) -> EnvFactory:
    """Return what another process would get."""
    if not callable(factory) or isinstance(factory, type) or hasattr(factory, "reset"):
        found = factory.__name__ if isinstance(factory, type) else f"a {type(factory).__name__}"
        raise ConfigurationError(
            f"factory: found {found}; use what builds vectors, GymnasiumEnvFactory('my_module:MyEnv-v0') say"
        )
    try:
        copied: EnvFactory = pickle.loads(pickle.dumps(factory))
    except Exception as error:
        raise ConfigurationError(
            f"factory: cannot be pickled, so no other process can have it ({one_line(error)}); use "
            "GymnasiumEnvFactory('my_module:MyEnv-v0'), or a function of a module"
        ) from error
    return copied


_CURE_OF_FAULT = "Training would end here: fix it in the environment, or by a wrapper around it."


def _examine(
    factory: EnvFactory, env: VectorEnv, num_steps: int, alarm: Deadline, before: dict[str, object]
) -> Iterator[Finding]:
    first = record(env, 1, num_steps, _MOST_SECONDS, renew=alarm.renew)
    changed = [name for name, value in _globals().items() if before[name] != value]
    few = min(_FEW_STEPS, first.num_steps)

    def again(seed: int = 1, action: Callable[[int], Array] | None = None, env: VectorEnv = env) -> Record:
        return record(env, seed, few, action=action, renew=alarm.renew)

    yield Finding(
        RIGHT,
        "answers",
        f"{first.num_steps:,} steps of {_NUM_ENVS} environments are what the spaces say; "
        f"{first.num_steps * _NUM_ENVS / max(first.seconds, 1e-9):,.0f} steps/s",
    )
    yield from _about_observations(env.observation_space, first.entries)
    yield from _about_rewards(first)
    yield from _about_episodes(first)
    with settings_kept(), closing(factory(_NUM_ENVS)) as fresh, closing(factory(_NUM_ENVS)) as another:
        yield from _about_seeds(first.digests[: few + 1], again(env=fresh), again(), again(seed=2, env=another))
    yield from _about_actions(env, first.digests[: few + 1], again)
    yield from _about_process(changed)


def _about_observations(space: Space, entries: list[Entry]) -> Iterator[Finding]:
    for entry in entries:
        low, high = float(entry.low.min(initial=np.inf)), float(entry.high.max(initial=-np.inf))
        seen = f"{entry.key}: from {low:g} to {high:g}"
        if entry.num_outside:
            yield Finding(
                DOUBTFUL,
                "bounds",
                f"{seen}, and {entry.num_outside:,} observations are outside of {entry.space}'s bounds",
                "Correct low and high of the space: numbers may be scaled by them.",
            )
        is_large = isinstance(entry.space, Box) and entry.space.dtype.kind == "f" and max(-low, high) > _LARGE
        if is_large:
            yield Finding(DOUBTFUL, "size", f"{seen}: far from 1", _NORMALIZE_OBSERVATION)
        if not (is_large or entry.num_outside):
            yield Finding(RIGHT, "observation", seen)
        still = int((entry.low == entry.high).sum())
        if still and entry.low.size > 1:
            yield Finding(DOUBTFUL, "observation", f"{entry.key}: {still} of {entry.low.size} numbers never changed",
                          "Leave out what says nothing.")  # fmt: skip
    if isinstance(space, Dict) and "action_mask" in space.spaces:
        yield Finding(
            DOUBTFUL,
            "mask",
            "action_mask is shown to the network as any other entry; it forbids no action",
            "Let the environment take forbidden actions, with a reward that is lower.",
        )


def _about_rewards(found: Record) -> Iterator[Finding]:
    if not any(found.rewards):
        yield Finding(
            DOUBTFUL,
            "reward",
            f"0 in all of {len(found.rewards):,} random steps",
            "Nothing is learnt until a reward is found by chance: reward steps on the way, or begin near the goal.",
        )
        return
    low, high = min(found.rewards), max(found.rewards)
    text = f"from {low:g} to {high:g} a step"
    if max(-low, high) > _LARGE:
        yield Finding(DOUBTFUL, "reward", text, _NORMALIZE_REWARD)
    else:
        yield Finding(RIGHT, "reward", text)


def _about_episodes(found: Record) -> Iterator[Finding]:
    number = len(found.lengths)
    if not number:
        yield Finding(
            DOUBTFUL,
            "episodes",
            f"none ended in {found.num_steps:,} steps",
            "Truncate them: env.kwargs.max_episode_steps=1000 in gymnasium, for example.",
        )
        return
    shortest, longest = min(found.lengths), max(found.lengths)
    text = (
        f"{number:,} ended, after {shortest:,} to {longest:,} steps, returns from {min(found.returns):g} to "
        f"{max(found.returns):g}; {found.num_terminated:,} terminated, {number - found.num_terminated:,} truncated"
    )
    if number > _NUM_ENVS and shortest == longest > 1 and found.num_terminated == number:
        yield Finding(
            DOUBTFUL,
            "episodes",
            f"{text}: always terminated after {longest} steps",
            "If that is a time limit, return truncated=True: a termination says that nothing more could be won.",
        )
    else:
        yield Finding(RIGHT, "episodes", text)


def _about_seeds(first: list[bytes], fresh: Record, used: Record, other: Record) -> Iterator[Finding]:
    if fresh.digests != first:
        yield Finding(
            DOUBTFUL,
            "seeds",
            "two new environments with the same seed do not play alike",
            "Draw all chance from self.np_random, which super().reset(seed=seed) seeds; otherwise runs do not repeat.",
        )
    elif used.digests != first:
        yield Finding(
            DOUBTFUL,
            "seeds",
            "reset with the same seed does not start again what it started in a new environment: something stays",
            "Keep nothing from one episode to the next. For running statistics: normalize_observation=true, "
            "learner.normalize_reward=true.",
        )
    elif other.digests != first:
        yield Finding(RIGHT, "seeds", "the same seed gives the same episodes")
    else:
        yield Finding(
            DOUBTFUL,
            "seeds",
            "different seeds give the same episodes",
            "If there is chance in the environment, seed it from reset(seed=...): else all of a run are one.",
        )


def _about_actions(env: VectorEnv, first: list[bytes], again: Callable[..., Record]) -> Iterator[Finding]:
    space = env.action_space
    shape = (env.num_envs, *space.shape)
    extremes = [np.full(shape, x) for x in (-np.inf, np.inf)] if isinstance(space, Box) else []
    constant = [*extremes, np.zeros(shape, np.int64)] if not isinstance(space, Box) else extremes
    played = [again(action=lambda t, a=a: a) for a in constant if np.isfinite(_clipped(space, a)).all()]
    if played and all(other.digests == first for other in played):
        yield Finding(DOUBTFUL, "actions", "whatever is done, the same happens", "See whether step() uses its action.")
    else:
        yield Finding(RIGHT, "actions", f"{space}: taken, at its bounds too")
    if isinstance(space, Box) and not space.is_bounded:
        yield Finding(
            DOUBTFUL,
            "actions",
            "not bounded: the first ones are near 0, with a standard deviation of 1",
            "Declare finite bounds; actions are scaled by them.",
        )


def _clipped(space: Space, action: Array) -> Array:
    return np.clip(action, space.low, space.high) if isinstance(space, Box) else action


def _about_process(changed: list[str]) -> Iterator[Finding]:
    for name in changed:
        yield Finding(DOUBTFUL, "process", f"the environment changes {name}", _CURES[name])


_CURES = {
    "the current folder": "Name its files by absolute paths instead; what is ours stays where it is.",
    "Python's global generator": "Use self.np_random: what draws from a global generator does not follow the seed.",
    "numpy's global generator": "Use self.np_random: what draws from a global generator does not follow the seed.",
    "torch's global generator": "Use a torch.Generator of its own: the global one does not follow the seed.",
}


def _globals() -> dict[str, object]:
    try:
        folder = os.getcwd()
    except OSError:  # it has been removed
        folder = ""
    states = folder, random.getstate(), str(np.random.get_state()), torch.get_rng_state().numpy().tobytes()
    return dict(zip(_CURES, states, strict=True))
