"""Episodes of environments that are stepped together: their numbers, their steps, and which of them time is up for."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf


class Episodes:
    """Counts episodes and steps of ``num_envs`` environments.

    To look for the next time limit costs one comparison a step of all of them, where a wrapper around each
    environment is a call more for each of its steps.

    Args:
        num_envs: how many environments are stepped together.

    Example:
        >>> episodes = Episodes(2)
        >>> episodes.begin(0, time_limit=2)
        >>> episodes.begin(1, time_limit=None)
        >>> episodes.advance(), episodes.advance()
        ([], [0])
        >>> episodes.moment(1)
        'episode 1, step 2'
    """

    def __init__(self, num_envs: int) -> None:
        self._now, self._number, self._begun = 0, [0] * num_envs, [0] * num_envs
        self._limit, self._next = [inf] * num_envs, inf  # when time is up for an episode; when to look for one

    def begin(self, i: int, time_limit: int | None) -> None:
        """Begin an episode in environment ``i``, of at most ``time_limit`` steps."""
        self._number[i], self._begun[i] = self._number[i] + 1, self._now
        if time_limit is not None:
            self._limit_to(i, self._now + time_limit)

    def _limit_to(self, i: int, time: float) -> None:
        self._limit[i] = time
        if time < self._next:
            self._next = time

    def end(self, i: int) -> None:
        """End the episode of environment ``i``: it has no time limit until the next one begins."""
        self._limit[i] = inf

    def advance(self) -> Sequence[int]:
        """Count a step of all environments; return those whose episodes this step brings to their time limits."""
        self._now += 1
        if self._now < self._next:
            return []
        due = [i for i, time in enumerate(self._limit) if time <= self._now]
        for i in due:
            self._limit[i] = inf
        self._next = min(self._limit)
        return due

    def advance_alone(self, i: int) -> bool:
        """Count a step that environment ``i`` makes by itself; return whether it is at its time limit with it."""
        self._begun[i] -= 1
        self._limit_to(i, self._limit[i] - 1)
        return self._limit[i] <= self._now

    def moment(self, i: int) -> str:
        """Return where environment ``i`` is, as a message says it: ``"episode 2, step 7"``, ``"episode 2, reset"``."""
        steps = self._now - self._begun[i]
        return f"episode {self._number[i]}, " + (f"step {steps}" if steps else "reset")
