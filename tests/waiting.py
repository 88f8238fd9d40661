"""Waiting for what other threads and processes do; how long that takes on a busy machine is nobody's business."""

import time

PATIENCE = 300.0
"""Seconds after which what has not happened never will: a deadline that ends a hang, and decides nothing else."""

_POLL_SECONDS = 0.005


def wait_until(condition, what):
    """Return as soon as ``condition()`` is true: for files and processes, which tell nobody what they do.

    Args:
        condition: called again and again.
        what: says in the message of a failure what did not happen.
    """
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {PATIENCE:.0f} s: {what}"
        time.sleep(_POLL_SECONDS)


def wait_for(event, what):
    """Return when ``event`` is set."""
    assert event.wait(PATIENCE), f"waited in vain for {PATIENCE:.0f} s: {what}"


def join(thread):
    """Return when ``thread`` has ended."""
    thread.join(PATIENCE)
    assert not thread.is_alive(), f"{thread.name} has not ended after {PATIENCE:.0f} s"
