"""Which free slots actors are given, so that they are busy and their data fresh."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hsuanwu.common.slot import Slot

_BATCHES = 2
"""How many batches may always be under way: one is filled while the learner has the other."""


class Lending:
    """Keeps the slots that no actor has, and decides when they go back to theirs.

    Two batches are always under way. More only while there is none for the learner: what actors made beyond that
    would wait for it, and grow old.

    Args:
        slots: all there are; none is lent yet.
    """

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._num_slots, self._free = len(slots), list(slots)
        self._lent: Counter[int] = Counter()

    def is_rich(self, batch: int) -> bool:
        """Return whether there are more slots than are always lent, so that it matters how many are waiting."""
        return self._num_slots > _BATCHES * batch

    def collected(self, slots: Sequence[Slot]) -> None:
        """Take note that actors have filled these slots and the learner has them."""
        self._lent.subtract(slot.actor for slot in slots)

    def released(self, slots: Sequence[Slot]) -> None:
        """Take slots that the learner is done with."""
        self._free += slots

    def lend(self, batch: int, waiting: int) -> list[Slot]:
        """Return the slots that go to their actors now, first those of actors that have the fewest.

        Args:
            batch: slots in a batch.
            waiting: filled slots that the learner has not collected yet.
        """
        lent = []
        while self._free and (waiting < batch or self._lent.total() < _BATCHES * batch):
            slot = min(self._free, key=lambda slot: self._lent[slot.actor])
            self._free.remove(slot)
            self._lent[slot.actor] += 1
            lent.append(slot)
        return lent
