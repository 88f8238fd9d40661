"""What a run needs of the system, compared with what there is before anything starts."""

from __future__ import annotations

import multiprocessing
import os

from hsuanwu.common.errors import ConfigurationError

try:
    import resource
except ImportError:  # not a POSIX system
    resource = None  # type: ignore[assignment]

_OF_AN_ACTOR = 4
"""Descriptors that the learner holds for an actor: its pipe, what tells of its end, and what is handed over."""
_SPARE = 32
"""Descriptors for files of the run, for libraries that are imported later, and for an evaluation."""


def check_may_start_processes() -> None:
    """Check that this process may have processes of its own: those of a pool may not.

    Raises:
        ConfigurationError: if it may not.
    """
    if multiprocessing.current_process().daemon:
        raise ConfigurationError(
            "transport: this process is a daemon, of a multiprocessing.Pool say, and may start no other; use "
            "transport=thread or transport=local"
        )


def check_descriptors(num_actors: int) -> None:
    """Check that a process may open enough files to have so many actors; a limit that may be raised is raised.

    Raises:
        ConfigurationError: if it may not.
    """
    if resource is None or not os.path.isdir("/proc/self/fd"):
        return
    needed = len(os.listdir("/proc/self/fd")) + _OF_AN_ACTOR * num_actors + _SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed or soft == resource.RLIM_INFINITY:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ConfigurationError(
            f"num_actors: {num_actors} in processes need some {needed} open files, and the limit is {hard}; raise it "
            f"(ulimit -n {needed}), or use transport=thread"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
