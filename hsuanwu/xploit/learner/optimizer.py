"""Optimizers by name, devices by name."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch.nn import Parameter
from torch.optim import Optimizer

from hsuanwu.common.errors import ConfigurationError

_GUARDED = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")


def make_optimizer(
    name: str, parameters: Iterable[Parameter], lr: float, eps: float, kwargs: Mapping[str, Any] | None
) -> Optimizer:
    """Return ``torch.optim.<name>`` over ``parameters``, of a subclass that is not made for ``torch.compile``.

    Args:
        name: class name, ``"RMSprop"`` or ``"Adam"`` say.
        parameters: what it steps.
        lr: learning rate, above 0.
        eps: epsilon; not given to optimizers that have none.
        kwargs: more arguments, or None; RMSprop's own ``alpha`` is 0.99, as in Espeholt et al. 2018.

    Raises:
        ConfigurationError: if there is no such optimizer, or it refuses an argument.
    """
    optimizer_class = getattr(torch.optim, name, None)
    if not (isinstance(optimizer_class, type) and issubclass(optimizer_class, Optimizer)):
        raise ConfigurationError(f"learner.optimizer: found {name!r}; use a class of torch.optim, 'RMSprop' say")
    if inspect.signature(optimizer_class.step).parameters["closure"].default is inspect.Parameter.empty:
        raise ConfigurationError(
            f"learner.optimizer: {name} needs a closure that makes the loss anew; use 'RMSprop' say"
        )
    if not (isinstance(lr, (int, float)) and 0 < lr < math.inf):
        raise ConfigurationError(f"learner.lr: found {lr!r}; use a finite number above 0")
    if not (isinstance(eps, (int, float)) and 0 <= eps < math.inf):
        raise ConfigurationError(f"learner.eps: found {eps!r}; use a finite number of 0 or more")
    arguments: dict[str, Any] = {key: _plain(value) for key, value in (kwargs or {}).items()}
    if "eps" in inspect.signature(optimizer_class).parameters:
        arguments.setdefault("eps", eps)
    try:
        return _eager(name)(parameters, lr=lr, **arguments)  # type: ignore[call-arg]
    except (TypeError, ValueError) as error:
        shown = {"lr": lr, **arguments}
        raise ConfigurationError(f"learner.optimizer_kwargs: {name} refuses {shown}: {error}") from error


@functools.cache
def _eager(name: str) -> type[Optimizer]:
    """Return a subclass of ``torch.optim.<name>`` that computes the same and is never compiled.

    torch.optim guards some of its methods against being traced by torch's compiler, and imports it for that
    at their first call: a second at the start of each run. An optimizer outside compiled code needs no guard.
    """
    optimizer_class = getattr(torch.optim, name)
    step = inspect.unwrap(optimizer_class.step)

    def plain_step(self: Any, closure: Callable[[], float] | None = None) -> Any:
        with torch.set_grad_enabled(self.defaults.get("differentiable", False)):
            return step(self, closure)

    def reduce(self: Any) -> tuple[Any, ...]:
        return _empty, (name,), self.__getstate__()

    methods = {method: inspect.unwrap(getattr(optimizer_class, method)) for method in _GUARDED}
    own = {"step": plain_step, "__reduce__": reduce, "__module__": __name__}
    return type(name, (optimizer_class,), {**methods, **own})


def _empty(name: str) -> Optimizer:
    """Return what unpickling fills."""
    cls = _eager(name)
    return cls.__new__(cls)


def _plain(value: Any) -> Any:
    """Return lists of any kind as tuples: what an optimizer holds goes into checkpoints."""
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def as_device(device: torch.device | str) -> torch.device:
    """Return the torch device named ``device``; ``"auto"`` is the first accelerator, or the CPU.

    Raises:
        ConfigurationError: if this machine has no such device.
    """
    has_cuda = torch.cuda.is_available()
    if device == "auto":
        return torch.device("cuda:0" if has_cuda else "cpu")
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        here = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))] if has_cuda else ["cpu"]
        raise ConfigurationError(f"device: found {device!r}; this machine has {', '.join(here)}") from error
    return found
