"""A CUDA device that does everything as late as it may, so that a missing wait shows on a machine without one."""

import threading
from contextlib import contextmanager

import torch

from hsuanwu.common.trajectory import Trajectory


class LateCopy:
    """A copy to the device that happens when somebody waits for it."""

    def __init__(self, source):
        self._source, self._lock, self._has_happened = source, threading.Lock(), False
        self.target = source.map(lambda x: torch.full_like(x, 77 if x.dtype != torch.bool else 1))

    def happen(self):
        with self._lock:
            if not self._has_happened:
                self._has_happened = True
                for name, source in vars(self._source).items():
                    if isinstance(source, torch.Tensor):
                        getattr(self.target, name).copy_(source)


class Event:
    def __init__(self, blocking):
        assert blocking, "waiting for the device would spin"
        self.copies = []

    def synchronize(self):
        self.happen()

    def happen(self):
        for copy in self.copies:
            copy.happen()


class Stream:
    """The host does not wait for what a stream waits for; ``synchronize`` is for tests to say that time passes."""

    def __init__(self, device=None):
        self.device, self.copies, self._waits = device, [], []

    def record_event(self, event):
        event.copies = list(self.copies)
        self.copies.clear()
        return event

    def wait_event(self, event):
        self._waits.append(event)

    def synchronize(self):
        for event in self._waits:
            event.happen()


class LateCuda:
    """Puts itself in the place of torch's CUDA.

    Attributes:
        learner_stream: the current stream of every thread that did not choose another.
        kept: tensors that were recorded on ``learner_stream``.
    """

    def __init__(self, monkeypatch):
        self.learner_stream = Stream()
        self.kept = set()
        self._chosen = threading.local()
        empty_like = torch.empty_like

        def pinned_empty_like(x, *, pin_memory):
            assert pin_memory, "a copy from memory that is not pinned keeps the host waiting"
            return empty_like(x)

        monkeypatch.setattr(torch, "empty_like", pinned_empty_like)
        monkeypatch.setattr(torch.cuda, "Stream", Stream)
        monkeypatch.setattr(torch.cuda, "Event", Event)
        monkeypatch.setattr(torch.cuda, "stream", self._choose)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device: self._current)
        monkeypatch.setattr(torch.Tensor, "record_stream", lambda tensor, stream: self._keep(tensor, stream))
        monkeypatch.setattr(Trajectory, "to", lambda trajectory, device: self._to(trajectory, device))

    @property
    def _current(self):
        return getattr(self._chosen, "stream", self.learner_stream)

    @contextmanager
    def _choose(self, stream):
        self._chosen.stream = stream
        try:
            yield
        finally:
            del self._chosen.stream

    def _keep(self, tensor, stream):
        assert stream is self.learner_stream
        self.kept.add(tensor.data_ptr())

    def _to(self, trajectory, device):
        assert device.type == "cuda" and self._current is not self.learner_stream
        copy = LateCopy(trajectory)
        self._current.copies.append(copy)
        return copy.target
