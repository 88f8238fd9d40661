"""A queue between threads that can be watched: whether its reader waits, and how often it asked."""

import threading
from collections import deque
from queue import Empty

from tests.waiting import PATIENCE

_LOOK_SECONDS = 0.05
"""How often it is looked whether a reader, who says nothing at the end, is still there."""


class WatchedQueue:
    """Does what a ``queue.SimpleQueue`` does, and says whether somebody waits for it.

    Attributes:
        num_gets: how often an item was asked for.
    """

    def __init__(self):
        self.num_gets = 0
        self._items, self._num_waiting, self._changed = deque(), 0, threading.Condition()

    def put(self, item):
        with self._changed:
            self._items.append(item)
            self._changed.notify_all()

    def get(self, timeout=None):
        with self._changed:
            self.num_gets, self._num_waiting = self.num_gets + 1, self._num_waiting + 1
            self._changed.notify_all()
            try:
                if not self._changed.wait_for(lambda: self._items, timeout):
                    raise Empty
                return self._items.popleft()
            finally:
                self._num_waiting -= 1

    def empty(self):
        return not self._items

    def wait_for_reader(self, reader=None):
        """Return when somebody waits here and there is nothing for him, or ``reader``, a thread, has ended."""
        with self._changed:
            for _ in range(round(PATIENCE / _LOOK_SECONDS)):
                if self._changed.wait_for(lambda: self._num_waiting and not self._items, _LOOK_SECONDS):
                    return
                if reader is not None and not reader.is_alive():
                    return
        raise AssertionError(f"nobody waited at this queue for {PATIENCE:.0f} s")
