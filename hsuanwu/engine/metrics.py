"""What happened since the last line of the log."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

from hsuanwu.common.errors import warn_of_environment
from hsuanwu.common.slot import Activity, Slot, sum_outcomes
from hsuanwu.common.trajectory import Trajectory
from hsuanwu.env.info import MOST_NAMES


@dataclass
class Phases:
    """Seconds of the learner's loop since the last line, by phase."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _last: float = field(default_factory=perf_counter)

    def lap(self, phase: str) -> None:
        """Count the time since the last lap as spent on ``phase``."""
        now = perf_counter()
        self.seconds[phase] += now - self._last
        self._last = now


_LEARNER_ACTIVITIES = {
    "update": "learning",
    "batch": "transport",
    "publish": "transport",
    "report": "reporting",
    "evaluate": "reporting",
    "wait": "waiting",
}
"""What each phase of the learner's loop is, in the account of its time; starting the actors is none of it."""


@dataclass
class Spread:
    """Mean, smallest and largest of what was added; it keeps no value, so that a long window costs no memory."""

    count: int = 0
    total: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    def add(self, values: np.ndarray) -> None:
        """Add one or more numbers."""
        self.count += values.size
        self.total += float(values.sum())
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))

    @property
    def mean(self) -> float | None:
        """The mean; None of nothing."""
        return self.total / self.count if self.count else None


class Window:
    """Gathers updates, slots and episodes until ``read`` makes one line of them.

    Args:
        num_actors: actors of the run; their seconds are reported as a mean over actors.
    """

    def __init__(self, num_actors: int) -> None:
        self._num_actors = num_actors
        self.phases = Phases()
        self._start = perf_counter()
        self._actor_total, self._processor_total = np.zeros(len(Activity)), 0.0
        self._learner_total: dict[str, float] = dict.fromkeys(dict.fromkeys(_LEARNER_ACTIVITIES.values()), 0.0)
        self._infos: dict[str, None] = {}
        self._clear()

    def _clear(self) -> None:
        self.phases.seconds.clear()
        self._steps = self._updates = 0
        self._sums: dict[str, float] = defaultdict(float)
        self._actor_seconds, self._processor_seconds = np.zeros(len(Activity)), 0.0
        self._returns, self._lengths, self._lags = Spread(), Spread(), Spread()
        self._outcomes: dict[str, tuple[int, float]] = {}

    def add_slots(self, slots: Sequence[Slot]) -> list[tuple[float, int]]:
        """Count finished episodes and the actors' time; return (return, length) of each episode."""
        finished: list[tuple[float, int]] = []
        for slot in slots:
            self._actor_seconds += slot.seconds.numpy()
            self._processor_seconds += slot.processor_seconds.item()
            self._outcomes = sum_outcomes([self._outcomes, self._known(slot.outcomes)])
            lengths = slot.episode_length.numpy()
            ended = lengths > 0
            if ended.any():
                returns, lengths = slot.episode_return.numpy()[ended], lengths[ended]
                self._returns.add(returns)
                self._lengths.add(lengths)
                finished += zip(returns.tolist(), lengths.tolist(), strict=True)
        return finished

    def _known(self, outcomes: dict[str, tuple[int, float]]) -> dict[str, tuple[int, float]]:
        """Return the outcomes without those of ``info`` that are one name too many; the first ones of a run stay."""
        names = [name for name in outcomes if name.startswith("info_") and name not in self._infos]
        self._infos |= dict.fromkeys(names[: max(0, MOST_NAMES - len(self._infos))])
        left_out = [name for name in names if name not in self._infos]
        if not left_out:
            return outcomes
        warn_of_environment(
            f"info has numbers by more than {MOST_NAMES} names at the ends of episodes; the first of them are logged"
        )
        return {name: x for name, x in outcomes.items() if name not in left_out}

    def add_update(self, metrics: dict[str, float], batch: Trajectory, steps: int, version: int) -> None:
        """Count one update of ``steps`` environment steps that made ``version`` into ``version + 1``."""
        self._steps += steps
        self._updates += 1
        self._lags.add(version - batch.policy_version.cpu().numpy())
        for name, value in metrics.items():
            self._sums[name] += value

    def read(self) -> dict[str, float | None]:
        """Return the means of the window, and start the next one."""
        now = perf_counter()
        wall_seconds, self._start = now - self._start, now
        line: dict[str, float | None] = {"episodes": self._returns.count}
        line |= {f"episodes_{name}": int(self._outcomes.get(name, (0, 0))[1]) for name in ("terminated", "truncated")}
        line |= _summary("episode_return", self._returns) | _summary("episode_length", self._lengths)
        line |= {name: total / n for name, (n, total) in self._outcomes.items() if name.startswith("info_")}
        line |= {name: total / max(self._updates, 1) for name, total in self._sums.items()}
        if self._lags.count:
            line |= {"policy_lag": self._lags.mean, "policy_lag_max": self._lags.high}
        line |= self._speeds(wall_seconds)
        self._clear()
        return line

    def time_shares(self) -> dict[str, dict[str, float]]:
        """Return what fraction of their time ``actor`` (mean over actors) and ``learner`` spent on what so far."""
        actor = {activity.name.lower(): float(self._actor_total[activity]) for activity in Activity}
        return {"actor": _fractions(actor), "learner": _fractions(self._learner_total)}

    def actor_processor_share(self) -> float:
        """Return in what fraction of the time, waiting for slots left out, an actor needed a core so far; at most 1.

        It is little where environments wait: for a clock, a network or another program.
        """
        working = self._actor_total.sum() - self._actor_total[Activity.WAITING]
        return min(1.0, self._processor_total / working) if working > 0 else 1.0

    def _speeds(self, wall_seconds: float) -> dict[str, float | None]:
        actor = self._actor_seconds / self._num_actors
        waiting = actor[Activity.WAITING]
        actor_busy = actor.sum() - waiting
        learner = dict(self.phases.seconds)
        learner_busy = sum(learner.values()) - learner.get("wait", 0.0)
        self._actor_total += actor
        self._processor_total += self._processor_seconds / self._num_actors
        for phase, activity in _LEARNER_ACTIVITIES.items():
            self._learner_total[activity] += learner.get(phase, 0.0)
        line: dict[str, float | None] = {
            "steps_per_second": self._steps / wall_seconds,
            "actor_steps_per_second": self._steps / actor_busy if actor_busy > 0 else None,
            "learner_steps_per_second": self._steps / learner_busy if learner_busy > 0 else None,
            "window_seconds": wall_seconds,
        }
        line |= {f"learner_{phase}_seconds": value for phase, value in sorted(learner.items())}
        line |= {f"actor_{a.name.lower()}_seconds": float(actor[a]) for a in Activity}
        return line | {"processor_seconds": self._processor_seconds / self._num_actors}


def _fractions(seconds: dict[str, float]) -> dict[str, float]:
    total = max(sum(seconds.values()), 1e-9)
    return {name: value / total for name, value in seconds.items()}


def _summary(name: str, spread: Spread) -> dict[str, float | None]:
    if not spread.count:
        return {name: None}
    return {name: spread.mean, f"{name}_min": spread.low, f"{name}_max": spread.high}
