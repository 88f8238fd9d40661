"""How a policy acts in a row of environments: at once, or recorded once and replayed by a GPU."""

from __future__ import annotations

import threading
import warnings
from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.torch_version import TorchVersion

from hsuanwu.common.nest import Nest, map_nest
from hsuanwu.common.seeding import make_generator
from hsuanwu.xploit.policy.base import Policy

_WARM_UPS = 3
"""Calls before a recording, as libraries allocate and choose algorithms in their first ones."""
_MENDS_ITSELF = "2.13"
"""The torch whose memory and random numbers a failed recording leaves in order."""
_RECORDING = threading.Lock()
"""Held while an actor records: beginning and ending a recording synchronise the whole device."""


class Inference(ABC):
    """A policy, and its recurrent state in ``num_envs`` environments.

    Attributes:
        state: the recurrent state after the last call, ``[B, ...]`` leaves on the policy's device.

    Args:
        policy: acts; its weights may change between calls, in place.
        num_envs: B.
    """

    def __init__(self, policy: Policy, num_envs: int) -> None:
        self.state = policy.init_state(num_envs)
        self._policy = policy
        self._device = next((weight.device for weight in policy.parameters()), torch.device("cpu"))

    @abstractmethod
    def act(self, row: Nest, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return actions and their log-probabilities, which hold until the next call.

        Args:
            row: observation, is_first, last_action and last_reward of one row, on the CPU.
            generator: of the actions, on the policy's device; the same in each call.
        """


class DirectInference(Inference):
    """Calls the policy."""

    def act(self, row: Nest, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        if self._device.type != "cpu":
            row = map_nest(lambda x: x.to(self._device, non_blocking=True), row)
        observation, is_first, last_action, last_reward = row
        step = self._policy.act(observation, is_first, last_action, last_reward, self.state, generator)
        self.state = step.state
        return step.action, step.log_prob


class GraphInference(Inference):
    """Records the policy's first call as a CUDA graph, and replays it: one launch instead of a hundred.

    For few environments a GPU computes for less time than Python takes to launch each operation, all the while
    holding the lock that the learner's thread wants too. A policy that cannot be recorded, because what it does
    depends on the values of tensors or it reads memory of the CPU, is called each time. What it does in Python alone,
    to count its calls say, is not repeated.

    Raises:
        RuntimeError: from ``act``, if a policy cannot be recorded and torch, older than 2.13, is left unusable by that.
    """

    def __init__(self, policy: Policy, num_envs: int) -> None:
        super().__init__(policy, num_envs)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._direct: DirectInference | None = None
        self._finished = torch.cuda.Event(blocking=True)

    def act(self, row: Nest, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        if self._graph is None and self._direct is None:
            self._prepare(row, generator)
        if self._direct is not None:
            result = self._direct.act(row, generator)
            self.state = self._direct.state
            return result
        assert self._graph is not None
        _copy(self._host, row)
        _copy(self._inputs, self._host)
        self._graph.replay()
        _copy(self._answer, self._outputs)
        self._finished.record()
        self._finished.synchronize()
        action, log_prob = self._answer
        return action, log_prob

    def _prepare(self, row: Nest, generator: torch.Generator) -> None:
        """Record a call, or say why that cannot be."""
        self._host = map_nest(lambda x: torch.empty_like(x, pin_memory=True), row)
        self._inputs = map_nest(lambda x: x.to(self._device, copy=True), row)
        before = map_nest(torch.clone, self.state)
        for _ in range(_WARM_UPS):
            outputs = self._call(generator)
        self._answer = map_nest(lambda x: torch.empty_like(x, device="cpu", pin_memory=True), outputs)
        try:
            self._graph = self._recorded(_another(generator))
        except RuntimeError as error:
            reason = f"{type(self._policy).__name__} cannot be recorded as a CUDA graph"
            if TorchVersion(torch.__version__) < _MENDS_ITSELF:
                raise RuntimeError(f"{reason}; use transport=process, or torch {_MENDS_ITSELF} or newer") from error
            torch.cuda.current_stream(self._device).synchronize()
            warnings.warn(f"{reason}, and acts more slowly ({str(error).splitlines()[0]})", stacklevel=2)
            self._direct = DirectInference(self._policy, len(row[1]))
        _copy(self.state, before)

    def _recorded(self, generator: torch.Generator) -> torch.cuda.CUDAGraph:
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream(self._device)
        graph.register_generator_state(generator)
        # other threads go on using the device meanwhile
        with _RECORDING, torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            self._outputs = self._call(generator)
        return graph

    def _call(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        observation, is_first, last_action, last_reward = self._inputs
        step = self._policy.act(observation, is_first, last_action, last_reward, self.state, generator)
        _copy(self.state, map_nest(torch.clone, step.state))  # parts of the new state may be parts of the old one
        return step.action, step.log_prob


def _another(generator: torch.Generator) -> torch.Generator:
    """Return a generator that a given one seeds; one that a recording has failed with is of no more use."""
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    return make_generator(seed, generator.device)


def make_inference(policy: Policy, num_envs: int) -> Inference:
    """Return the fastest way for a policy to act where its weights are."""
    weight = next(policy.parameters(), None)
    on_gpu = weight is not None and weight.device.type == "cuda"
    return (GraphInference if on_gpu else DirectInference)(policy, num_envs)


def _copy(targets: Nest, sources: Nest) -> None:
    """Copy without waiting, where memory allows it."""
    map_nest(lambda target, source: target.copy_(source, non_blocking=True), targets, sources)
