"""Actors that say when they have filled a slot, so that a test can wait until they have filled all that they got."""

import multiprocessing

from hsuanwu.runtime.transport import ActorEnd
from tests.waiting import PATIENCE


class Announced:
    """A program for actors of which each filled slot is heard of, in threads and in other processes.

    Args:
        program: what the actors do.
    """

    def __init__(self, program):
        self._program = program
        self._filled, self._num_seen = multiprocessing.get_context("spawn").Semaphore(0), 0

    def run(self, end, index):
        yield from self._program.run(_AnnouncingEnd(end, self._filled), index)

    def wait_until_all_are_filled(self, end, num_collected):
        """Return when no actor has a slot to fill, so that nothing changes until the learner does something.

        Args:
            end: the learner's end.
            num_collected: slots that it has collected so far.
        """
        for _ in range(num_collected + end._lending._lent.total() - self._num_seen):
            assert self._filled.acquire(timeout=PATIENCE), f"waited in vain for {PATIENCE:.0f} s: a filled slot"
            self._num_seen += 1


class _AnnouncingEnd(ActorEnd):
    def __init__(self, end, filled):
        self._end, self._filled = end, filled

    def acquire(self):
        return self._end.acquire()

    def commit(self, slot):
        self._end.commit(slot)
        self._filled.release()

    def weights(self, newer_than):
        return self._end.weights(newer_than)
