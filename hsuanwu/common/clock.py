"""The clock of a run: environment steps consumed by the learner."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Clock:
    """Counts environment steps and updates; schedules and logging read it.

    Args:
        total_steps: environment steps after which the run is over; at least 1.
        steps: environment steps consumed so far.
        updates: learner updates made so far.

    Example:
        >>> clock = Clock(total_steps=100)
        >>> clock.advance(25)
        >>> clock.fraction, clock.updates, clock.is_over
        (0.25, 1, False)
    """

    total_steps: int
    steps: int = 0
    updates: int = 0

    def advance(self, steps: int) -> None:
        """Count one update that consumed ``steps`` environment steps."""
        self.steps += steps
        self.updates += 1

    @property
    def fraction(self) -> float:
        """How much of the run is over, in [0, 1]."""
        return min(1.0, self.steps / self.total_steps)

    @property
    def is_over(self) -> bool:
        """Whether ``total_steps`` have been consumed."""
        return self.steps >= self.total_steps


class Every:
    """Says when another interval of a clock is over.

    Args:
        interval: environment steps, at least 1; None for never.
        clock: the clock.
        also_at_the_end: whether the end of the run counts too.

    Example:
        >>> clock = Clock(total_steps=100)
        >>> every = Every(30, clock)
        >>> for _ in range(4):
        ...     clock.advance(20)
        ...     print(every.is_due())
        False
        True
        False
        True
    """

    def __init__(self, interval: int | None, clock: Clock, also_at_the_end: bool = False) -> None:
        self._interval, self._clock, self._also_at_the_end = interval, clock, also_at_the_end
        self._next = clock.steps + (interval or 0)

    def is_due(self) -> bool:
        """Return whether it is time; if so, the next time is an interval from now."""
        if self._interval is None:
            return False
        if self._clock.steps < self._next and not (self._also_at_the_end and self._clock.is_over):
            return False
        self._next = self._clock.steps + self._interval
        return True
