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
