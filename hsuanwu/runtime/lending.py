"""Which free slots actors are given, so that they are busy and their data fresh."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hsuanwu.common.slot import Slot

_BATCHES = 2
"""How many batches may always be under way: one is filled while the learner has the other."""


class Custody:
    """Knows which slots the learner has."""

    def __init__(self) -> None:
        self._indices: set[int] = set()

    def took(self, slots: Sequence[Slot]) -> None:
        """Take note that the learner has these slots."""
        self._indices |= {slot.index for slot in slots}

    def gave_back(self, slots: Sequence[Slot]) -> None:
        """Take note that it is done with these slots.

        Raises:
            ValueError: if it does not have one of them: an actor may be filling it.
        """
        indices = Counter(slot.index for slot in slots)
        for index, count in indices.items():
            if index not in self._indices or count > 1:
                raise ValueError(f"release: found slot {index}, which was released before or never collected")
        self._indices -= indices.keys()


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
        self._with_learner = Custody()

    def is_rich(self, batch: int) -> bool:
        """Return whether there are more slots than are always lent, so that it matters how many are waiting."""
        return self._num_slots > _BATCHES * batch

    def collected(self, slots: Sequence[Slot]) -> None:
        """Take note that actors have filled these slots and the learner has them."""
        self._with_learner.took(slots)
        self._lent.subtract(slot.actor for slot in slots)

    def released(self, slots: Sequence[Slot]) -> None:
        """Take slots that the learner is done with.

        Raises:
            ValueError: if it does not have one of them.
        """
        self._with_learner.gave_back(slots)
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
