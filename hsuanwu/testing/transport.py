"""The contract of transports, as functions that any transport can be put through.

Each takes ``make``, which returns a new transport for a storage and a board::

    check_transport(lambda storage, board: MyTransport(storage, board))
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator

import torch

from hsuanwu.common.spaces import Box, Discrete
from hsuanwu.runtime.transport import ActorEnd, ActorError, ActorProgram, LearnerEnd, StoppedError, Transport
from hsuanwu.runtime.weights import WeightBoard, Weights
from hsuanwu.xploit.storage import TrajectoryStorage

MakeTransport = Callable[[TrajectoryStorage, WeightBoard], Transport]

_NUM_ACTORS, _NUM_STEPS, _NUM_ENVS, _NUM_SLOTS = 2, 3, 4, 4
_WEIGHT_SHAPE = (200, 50)
_MANY_VERSIONS = 1_000
_PATIENCE_SECONDS = 120.0
"""A deadline that ends a hang; how long anything takes is not looked at."""


class CountingProgram:
    """An actor that writes its index, the number of its rollout and the weights that it sees into each slot.

    Args:
        fail_at: the rollout before which it raises an exception; None for never.
        hang_at: the rollout before which it hangs for ever; None for never.
    """

    def __init__(self, fail_at: int | None = None, hang_at: int | None = None) -> None:
        self._fail_at, self._hang_at = fail_at, hang_at

    def run(self, end: ActorEnd, index: int) -> Iterator[None]:
        """Fill slots as actor ``index``."""
        version, rollout = -1, 0
        weight = torch.zeros(_WEIGHT_SHAPE)
        while (slot := end.acquire()) is not None:
            if rollout == self._fail_at:
                raise ValueError(f"rollout {rollout} of actor {index} fails on purpose")
            if rollout == self._hang_at:
                threading.Event().wait()
            found = end.weights(version)
            if found is not None:
                version, weight = found.version, found.tensors["weight"]
            slot.trajectory.policy_version.fill_(version)
            slot.trajectory.reward.fill_(rollout)
            slot.trajectory.action.fill_(index)
            slot.trajectory.observation[..., 0] = weight.min()
            slot.trajectory.observation[..., 1] = weight.max()
            end.commit(slot)
            rollout += 1
            yield


def check_transport(make: MakeTransport) -> None:
    """Check everything that a transport promises to a learner.

    Raises:
        AssertionError: where a promise is broken.
    """
    check_delivery(make)
    check_weights(make)
    check_refusals(make)
    check_concurrency(make)
    check_dead_actor(make)
    check_stop(make)
    check_close(make)


def check_delivery(make: MakeTransport) -> None:
    """Each rollout arrives once, unchanged while the learner holds it, in the order of its actor."""
    with Launched(make, CountingProgram()) as end:
        seen = dict.fromkeys(range(_NUM_ACTORS), 0)
        handed_out = dict.fromkeys(range(_NUM_SLOTS), 1)
        for _ in range(20):
            slots = end.collect(2)
            assert len({slot.index for slot in slots}) == 2, "a slot was delivered twice at once"
            for slot in slots:
                action, reward = slot.trajectory.action, slot.trajectory.reward
                assert (action == slot.actor).all(), "a slot came from an actor that does not own it"
                assert (reward == seen[slot.actor]).all(), "a rollout was lost, repeated or overwritten"
                assert slot.sequence == handed_out[slot.index], "a slot does not count how often it was handed out"
                seen[slot.actor] += 1
                handed_out[slot.index] += 1
            end.release(slots)


def check_weights(make: MakeTransport) -> None:
    """Versions never go back, are never torn, and are no older in a slot than its last release."""
    with Launched(make, CountingProgram()) as end:
        last = dict.fromkeys(range(_NUM_ACTORS), 0)
        released = dict.fromkeys(range(_NUM_SLOTS), 0)
        for version in range(1, 60):
            end.publish(make_weights(version))
            (slot,) = end.collect(1)
            acted = int(slot.trajectory.policy_version[0])
            low, high = slot.trajectory.observation[..., 0].unique(), slot.trajectory.observation[..., 1].unique()
            assert low.tolist() == high.tolist() == [acted], "an actor saw half of a version"
            assert acted >= last[slot.actor], "an actor went back to older weights"
            assert acted >= released[slot.index], f"a slot of version {released[slot.index]} came with {acted}"
            last[slot.actor], released[slot.index] = acted, version
            end.release([slot])


def check_refusals(make: MakeTransport) -> None:
    """A slot that the learner does not have cannot be released, and a version is published once."""
    with Launched(make, CountingProgram()) as end:
        first, second = end.collect(2)
        end.release([first])
        for slots in ([first], [second, second]):
            assert _is_refused(lambda slots=slots: end.release(slots)), "a slot was released twice"  # type: ignore[misc]
        end.publish(make_weights(1))
        for version in (1, 0):
            assert _is_refused(lambda version=version: end.publish(make_weights(version))), "a version came again"  # type: ignore[misc]


def _is_refused(call: Callable[[], None]) -> bool:
    try:
        call()
    except ValueError:
        return True
    return False


def check_concurrency(make: MakeTransport) -> None:
    """Actors act between two calls of ``collect`` if, and only if, the transport says that they are concurrent.

    Then some slot of many holds weights older than those that were put up just before it was asked for.
    """
    launched = Launched(make, CountingProgram())
    with launched as end:
        for version in range(1, _MANY_VERSIONS):
            end.publish(make_weights(version))
            (slot,) = end.collect(1)
            lag = version - int(slot.trajectory.policy_version[0])
            end.release([slot])
            if lag > 0:
                break
        assert (lag > 0) == launched.transport.is_concurrent, f"is_concurrent is wrong: version {version} lags by {lag}"


def check_dead_actor(make: MakeTransport) -> None:
    """An exception in an actor reaches ``collect`` with its traceback."""
    with Launched(make, CountingProgram(fail_at=2)) as end:
        try:
            for _ in range(10):
                end.release(end.collect(1))
        except ActorError as error:
            assert "fails on purpose" in str(error) and "Traceback" in str(error), f"no traceback in {error}"
            return
        raise AssertionError("an actor died and nobody noticed")


def check_stop(make: MakeTransport) -> None:
    """``stop`` ends a ``collect`` that goes on in another thread, and refuses any later one."""
    for is_starved in (False, True):
        launched = Launched(make, CountingProgram())
        with launched as end:
            held = end.collect(_NUM_SLOTS) if is_starved else []
            collector = _Collector(end, num_before=0 if is_starved else 3)
            collector.start()
            assert collector.is_under_way.wait(_PATIENCE_SECONDS), "collect returned nothing"
            end.stop()
            end.stop()
            collector.join(_PATIENCE_SECONDS)
            assert not collector.is_alive(), "collect went on after stop"
            if launched.transport.is_concurrent or not is_starved:
                assert isinstance(collector.error, StoppedError), f"collect ended with {collector.error!r}"
            end.release(held)
            for _ in range(2):
                try:
                    end.collect(1)
                except StoppedError:
                    continue
                raise AssertionError("collect went on after stop")


def check_close(make: MakeTransport) -> None:
    """A transport can be closed before it is launched, twice, and while the learner holds slots."""
    storage, board = make_storage(shared=True), make_board(shared=True)
    make(storage, board).close()
    transport = make(storage, board)
    board.publish(make_weights(0))
    transport.launch(CountingProgram(), _NUM_ACTORS).collect(1)
    transport.close()
    transport.close()


class Launched:
    """A transport that is launched with version 0 of the weights on entry, which gives its learner's end.

    On exit it is closed.

    Args:
        make: makes the transport.
        program: what each of two actors does.

    Attributes:
        transport: the transport.
    """

    def __init__(self, make: MakeTransport, program: ActorProgram) -> None:
        board = make_board(shared=True)
        board.publish(make_weights(0))
        self.transport = make(make_storage(shared=True), board)
        self._program = program

    def __enter__(self) -> LearnerEnd:
        return self.transport.launch(self._program, _NUM_ACTORS)

    def __exit__(self, *_: object) -> None:
        self.transport.close()


def make_storage(shared: bool) -> TrajectoryStorage:
    """Return four slots of two actors, of three steps in four environments each, that ``CountingProgram`` fills."""
    return TrajectoryStorage(
        Box(-1, 1, (2,)), Discrete(3), _NUM_STEPS, _NUM_ENVS, _NUM_ACTORS, (), shared, _NUM_SLOTS // _NUM_ACTORS
    )


def make_board(shared: bool) -> WeightBoard:
    """Return a board for what ``make_weights`` returns; nothing has been put up yet."""
    return WeightBoard({"weight": torch.zeros(_WEIGHT_SHAPE)}, shared)


def make_weights(version: int) -> Weights:
    """Return weights that are equal to their version everywhere, so that half of one is seen as such."""
    return Weights(version, {"weight": torch.full(_WEIGHT_SHAPE, float(version))})


class _Collector(threading.Thread):
    """Collects until that fails; ``is_under_way`` is set when it collects for the next time after ``num_before``."""

    def __init__(self, end: LearnerEnd, num_before: int) -> None:
        super().__init__(daemon=True)
        self.is_under_way = threading.Event()
        self.error: Exception | None = None
        self._end, self._num_before = end, num_before

    def run(self) -> None:
        """Collect, and give back at once."""
        try:
            for number in itertools.count():
                if number == self._num_before:
                    self.is_under_way.set()
                self._end.release(self._end.collect(1))
        except Exception as error:
            self.error = error
            self.is_under_way.set()
