"""A job of a sweep: how it fails, and how it runs in a process that a launcher has started."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from hsuanwu.command import SIGNAL, SweptJobError, command_settings
from hsuanwu.common.interrupts import Interrupted, Terminated, outlive, outlive_signals
from hsuanwu.engine import abandonment
from hsuanwu.engine.sweep import name_of_job
from hsuanwu.engine.sweep_jobs import SweepEndedError, SweepJobs

_USERS = [getattr(signal, name) for name in ("SIGUSR1", "SIGUSR2") if hasattr(signal, name)]
"""By one of these, submitit's jobs are told to put themselves back into the queue."""


def failed(line: str, status: int) -> SweptJobError:
    """Print the error of the current Hydra job, and return what Hydra is told."""
    name = name_of_job()
    print(f"error: {name}: {line}", file=sys.stderr, flush=True)
    return SweptJobError(name, line, status)


def run_launched(run: Callable[[], float | None], jobs: SweepJobs) -> float | None:
    """Run a job; whatever ends it is the failure of this job alone.

    Signals that end a process make it save and fail; one by which the launcher puts jobs back into its queue makes it
    save, and then does what the launcher does. Between the jobs of a worker no signal ends it: a launcher takes the
    death of one worker for that of all.

    Raises:
        SweptJobError: if the job fails.
    """
    if multiprocessing.parent_process() is not None:
        outlive_signals()
    handlers = _launchers_handlers()
    try:
        with command_settings(also=handlers), jobs.job():
            return run()
    except SweepEndedError as ended:
        raise failed(f"the sweep was ended by {ended}", SIGNAL + signal.SIGTERM) from None
    except Interrupted:
        raise failed("interrupted", SIGNAL + signal.SIGINT) from None
    except Terminated as signalled:
        if signalled.number in handlers:
            handlers[signalled.number](signalled.number, None)
        raise failed(f"terminated by {signalled}", SIGNAL + signalled.number) from None
    finally:
        abandonment.end_if_abandoned()


def _launchers_handlers() -> Mapping[int, Callable[[int, Any], Any]]:
    """Return the handlers that a launcher has given to signals of the user's."""
    handlers = {number: signal.getsignal(number) for number in _USERS}
    return {number: x for number, x in handlers.items() if callable(x) and x is not outlive}
