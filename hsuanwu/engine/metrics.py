"""What happened since the last line of the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
import torch

from hsuanwu.common.slot import Activity, Slot
from hsuanwu.common.trajectory import Trajectory


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


class Window:
    """Gathers updates, slots and episodes until ``read`` makes one line of them.

    Args:
        num_actors: actors of the run; their seconds are reported as a mean over actors.
        takes_turns: whether actors and learner share one thread.
    """

    def __init__(self, num_actors: int, takes_turns: bool = False) -> None:
        self._num_actors, self._takes_turns = num_actors, takes_turns
        self.phases = Phases()
        self._start = perf_counter()
        self._waits = {"actor": np.zeros(2), "learner": np.zeros(2)}
        self._clear()

    def _clear(self) -> None:
        self.phases.seconds.clear()
        self._steps = self._updates = 0
        self._sums: dict[str, float] = defaultdict(float)
        self._actor_seconds = np.zeros(len(Activity))
        self._returns: list[np.ndarray] = []
        self._lengths: list[np.ndarray] = []
        self._lags: list[torch.Tensor] = []

    def add_slots(self, slots: Sequence[Slot]) -> list[tuple[float, int]]:
        """Count finished episodes and the actors' time; return (return, length) of each episode."""
        finished: list[tuple[float, int]] = []
        for slot in slots:
            self._actor_seconds += slot.seconds.numpy()
            lengths = slot.episode_length.numpy()
            ended = lengths > 0
            if ended.any():
                self._returns.append(slot.episode_return.numpy()[ended])
                self._lengths.append(lengths[ended])
                finished += zip(self._returns[-1].tolist(), self._lengths[-1].tolist(), strict=True)
        return finished

    def add_update(self, metrics: dict[str, float], batch: Trajectory, steps: int, version: int) -> None:
        """Count one update of ``steps`` environment steps that made ``version`` into ``version + 1``."""
        self._steps += steps
        self._updates += 1
        self._lags.append(version - batch.policy_version)
        for name, value in metrics.items():
            self._sums[name] += value

    def read(self) -> dict[str, float | None]:
        """Return the means of the window, and start the next one."""
        now = perf_counter()
        wall_seconds, self._start = now - self._start, now
        line: dict[str, float | None] = {"episodes": sum(x.size for x in self._returns)}
        line |= _summary("episode_return", self._returns) | _summary("episode_length", self._lengths)
        line |= {name: total / max(self._updates, 1) for name, total in self._sums.items()}
        if self._lags:
            lags = torch.cat(self._lags).double()
            line |= {"policy_lag": lags.mean().item(), "policy_lag_max": lags.max().item()}
        line |= self._speeds(wall_seconds)
        self._clear()
        return line

    def bottleneck(self) -> str:
        """Return one plain sentence that says which side bounded the run so far."""
        actor_wait, learner_wait = (float(wait / max(wait + busy, 1e-9)) for wait, busy in self._waits.values())
        if self._takes_turns:
            return (
                f"Acting and learning took turns in one process: acting took {learner_wait:.0%} of the time; "
                f"transport=process does both at once."
            )
        return bottleneck(learner_wait, actor_wait)

    def _speeds(self, wall_seconds: float) -> dict[str, float | None]:
        actor = self._actor_seconds / self._num_actors
        waiting = actor[Activity.WAITING]
        actor_busy = actor.sum() - waiting
        learner = dict(self.phases.seconds)
        learner_busy = sum(learner.values()) - learner.get("wait", 0.0)
        self._waits["actor"] += waiting, actor_busy
        self._waits["learner"] += learner.get("wait", 0.0), learner_busy
        line: dict[str, float | None] = {
            "steps_per_second": self._steps / wall_seconds,
            "actor_steps_per_second": self._steps / actor_busy if actor_busy > 0 else None,
            "learner_steps_per_second": self._steps / learner_busy if learner_busy > 0 else None,
            "window_seconds": wall_seconds,
        }
        line |= {f"learner_{phase}_seconds": value for phase, value in sorted(learner.items())}
        return line | {f"actor_{a.name.lower()}_seconds": float(actor[a]) for a in Activity}


def bottleneck(learner_wait: float, actor_wait: float) -> str:
    """Return one plain sentence that says which side bounds the run.

    Args:
        learner_wait: fraction of its time for which the learner waited for actors, in [0, 1].
        actor_wait: fraction of their time for which the actors waited for the learner, in [0, 1].
    """
    waits = f"the learner waited {learner_wait:.0%} of its time, the actors {actor_wait:.0%} of theirs"
    if abs(learner_wait - actor_wait) < 0.1:
        return f"Balanced: {waits}."
    if learner_wait > actor_wait:
        return f"The actors are the bottleneck: {waits}; more envs_per_actor or num_actors would help."
    return f"The learner is the bottleneck: {waits}; a larger batch_size or a smaller network would help."


def _summary(name: str, arrays: list[np.ndarray]) -> dict[str, float | None]:
    if not arrays:
        return {name: None}
    x = np.concatenate(arrays).astype(float)
    return {name: float(x.mean()), f"{name}_min": float(x.min()), f"{name}_max": float(x.max())}
