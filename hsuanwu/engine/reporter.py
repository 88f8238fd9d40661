"""What a run says of itself while it runs: log, console and, at the end, what bounded it."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from hsuanwu.common.clock import Clock, Every
from hsuanwu.common.slot import Slot
from hsuanwu.common.trajectory import Trajectory
from hsuanwu.engine.console import Console
from hsuanwu.engine.evaluator import Evaluation
from hsuanwu.engine.inspector import Inspector
from hsuanwu.engine.logger import Logger
from hsuanwu.engine.metrics import Window
from hsuanwu.engine.run_folder import RunFolder

_MOST_STEPS_A_LINE = 10_000
_LINES_A_RUN = 200


class Reporter:
    """Writes a line of metrics every ``log_interval`` environment steps; a context manager.

    Args:
        folder: the run's folder.
        clock: the run's clock.
        num_actors: actors of the run.
        log_interval: environment steps between two lines; None for 200 lines a run, at most 10,000 steps each.
        inspector: has doubts about the environments, which are said as soon as they come up.
    """

    def __init__(
        self, folder: RunFolder, clock: Clock, num_actors: int, log_interval: int | None, inspector: Inspector
    ) -> None:
        self._clock, self._inspector = clock, inspector
        interval = log_interval or min(_MOST_STEPS_A_LINE, max(1, clock.total_steps // _LINES_A_RUN))
        self._every = Every(interval, clock, also_at_the_end=True)
        self.window = Window(num_actors)
        self.console = Console(clock.total_steps, clock.steps)
        self._logger = Logger(folder, clock.steps)

    def lap(self, phase: str) -> None:
        """Count the learner's time since the last lap as spent on ``phase``."""
        self.window.phases.lap(phase)

    def collected(self, slots: Sequence[Slot]) -> None:
        """Take note of the episodes and seconds in some slots; until now the learner waited for them."""
        self.lap("wait")
        self._inspector.speak()
        self._logger.write_episodes(self._clock.steps, self.window.add_slots(slots))

    def updated(self, metrics: dict[str, float], batch: Trajectory, steps: int) -> None:
        """Take note of an update, after the clock has advanced by its ``steps``."""
        self.window.add_update(metrics, batch, steps, self._clock.updates - 1)
        self.console.advance(steps)
        if self._every.is_due():
            line = self.window.read() | {"out_of_bounds": self._inspector.num_outside}
            self._logger.write(self._clock.steps, {"updates": self._clock.updates, **line})
            self.console.progress(self._clock.steps, line)

    def flush(self) -> None:
        """Give all lines and rows to the system, so that none is older than a checkpoint and not yet written."""
        self._logger.flush()

    def evaluated(self, evaluation: Evaluation) -> None:
        """Write a line for an evaluation."""
        line = evaluation.metrics()
        self._logger.write(self._clock.steps, {"updates": self._clock.updates, **line})
        if evaluation.returns:
            self.console.say(f"step {self._clock.steps:>11,}  evaluation {line['eval_episode_return']:8.1f}")

    def __enter__(self) -> Reporter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.console.close()
        self._logger.close()
