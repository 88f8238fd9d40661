"""Actors whose rollouts say which they are, and what a batch of them must hold."""

import itertools
import threading

import torch

from hsuanwu.common.spaces import Box, Discrete
from hsuanwu.runtime.transport import LearnerEnd
from hsuanwu.runtime.weights import WeightBoard, Weights
from hsuanwu.xploit.storage import TrajectoryStorage

ACTORS, STEPS, ENVS = 2, 3, 2
SLOTS_PER_ACTOR = 2


class NumberedProgram:
    """An actor that writes its index and the number of its rollout everywhere.

    ``fail_at`` and ``hang_at`` are numbers of rollouts; one that hangs does so until ``release`` is set, where it
    shares memory with us, and until it is killed where it does not.
    """

    def __init__(self, fail_at=None, hang_at=None, release=None):
        self.fail_at, self.hang_at, self.release = fail_at, hang_at, release

    def run(self, end, index):
        for rollout in itertools.count():
            slot = end.acquire()
            if slot is None:
                return
            if rollout == self.fail_at:
                raise ValueError("broken on purpose")
            if rollout == self.hang_at:
                (self.release or threading.Event()).wait()
            trajectory = slot.trajectory
            for tensor in (trajectory.observation, trajectory.reward, trajectory.last_reward, trajectory.log_prob):
                tensor.fill_(rollout)
            trajectory.policy_version.fill_(rollout)
            trajectory.action.fill_(index)
            slot.seconds.fill_(rollout)
            slot.episode_return.fill_(rollout)
            end.commit(slot)
            yield


class Expected:
    """Checks batches and notes against what the actors wrote: each rollout once, whole, in the order of its actor."""

    def __init__(self):
        self.rollouts = [0] * ACTORS
        self.notes = []

    def note(self, slots):
        """Keep what the slots say; what ``on_slots`` is to be."""
        thread = threading.current_thread()
        self.notes += [(thread, slot.actor, slot.seconds.clone(), slot.episode_return.clone()) for slot in slots]

    def check(self, batch):
        for column in range(0, batch.num_envs, ENVS):
            envs = slice(column, column + ENVS)
            actor = int(batch.action[0, column])
            assert actor < ACTORS, "a slot was lost or overwritten"
            rollout = self.rollouts[actor]
            self.rollouts[actor] += 1
            assert (batch.action[:, envs] == actor).all(), "a slot holds two actors"
            found = [x[:, envs] for x in (batch.observation, batch.reward, batch.last_reward, batch.log_prob)]
            for tensor in (*found, batch.policy_version[envs]):
                assert (tensor == rollout).all(), f"rollout {rollout} of actor {actor} was lost or overwritten"
            thread, noted_actor, seconds, episode_return = self.notes.pop(0)
            assert thread is threading.current_thread(), "a note was taken in another thread"
            assert noted_actor == actor, f"a slot of actor {noted_actor} was lost or overwritten"
            assert (seconds == rollout).all() and (episode_return == rollout).all(), "a note was overwritten"


def launched(transport_class, program, **kwargs):
    """Return a transport, its learner's end and its storage."""
    sizes = STEPS, ENVS, ACTORS, (), transport_class.shares_memory, SLOTS_PER_ACTOR
    storage = TrajectoryStorage(Box(-1, 1, (2,)), Discrete(3), *sizes)
    board = WeightBoard({"weight": torch.zeros(1)}, transport_class.shares_memory)
    board.publish(Weights(0, {"weight": torch.zeros(1)}))
    transport = transport_class(storage, board, **kwargs)
    return transport, transport.launch(program, ACTORS), storage


class ScriptedEnd(LearnerEnd):
    """Slots at once, as many as there are; counts what is asked for."""

    def __init__(self, storage):
        self.collected = 0
        self._slots = [storage.slot(index) for index in range(storage.num_slots)]

    def collect(self, count):
        slots = [self._slots[(self.collected + i) % len(self._slots)] for i in range(count)]
        self.collected += count
        return slots

    def release(self, slots):
        pass

    def publish(self, weights):
        pass

    def stop(self):
        pass
