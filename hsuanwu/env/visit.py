"""Environments for a while in the learner's process: to look at them, to measure them, to evaluate in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hsuanwu.common.deadline import Deadline, Expired, deadline
from hsuanwu.common.errors import EnvironmentFault
from hsuanwu.common.process_settings import settings_kept
from hsuanwu.env.fault import fault_of


@contextmanager
def visit(place: str, timeout_seconds: float) -> Iterator[Deadline]:
    """Run code of environments; leave no trace of it in this process, and end it if it hangs.

    Args:
        place: what it is for; names it in a fault.
        timeout_seconds: how long an environment may take for what is asked of it: between two renewals of the
            ``Deadline`` that is given.

    Raises:
        EnvironmentFault: if an environment fails.
    """
    with settings_kept(), deadline(timeout_seconds, "raise transport.timeout_seconds if it only is slow") as alarm:
        try:
            yield alarm
        except Expired as error:  # between two calls of an environment
            fault = fault_of(error, "it")
            fault.place = place
            raise fault from error
        except EnvironmentFault as fault:
            fault.place = place
            raise
