"""Settings of a whole process that an environment may change for itself, and that are others' too."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import numpy as np
import torch

from hsuanwu.common.interrupts import ENDING


class ProcessSettings:
    """Settings as they were when this was made: handlers of signals, streams, numpy's and torch's global settings.

    Simulators take SIGINT and SIGTERM for themselves, switch gradients off, or set a default dtype: that would end
    Ctrl-C and training of the process that they run in.
    """

    def __init__(self) -> None:
        self._handlers: dict[int, Any] = {number: signal.getsignal(number) for number in ENDING}
        self._dtype, self._device = torch.get_default_dtype(), torch.get_default_device()
        self._num_threads, self._numpy_errors = torch.get_num_threads(), np.geterr()
        self._streams = sys.stdout, sys.stderr
        self._has_gradients, self._is_inference = torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    def restore(self) -> None:
        """Put back what was changed; what a library's C code did to a signal, too."""
        if threading.current_thread() is threading.main_thread():  # no other one can set or change a handler
            for number, handler in self._handlers.items():
                if handler is not None:
                    signal.signal(number, handler)
        if torch.get_default_dtype() != self._dtype:
            torch.set_default_dtype(self._dtype)
        if torch.get_default_device() != self._device:
            # None takes away what a device puts between each call and torch
            torch.set_default_device(None if self._device.type == "cpu" else self._device)
        if torch.get_num_threads() != self._num_threads:
            torch.set_num_threads(self._num_threads)
        if torch.is_grad_enabled() != self._has_gradients and torch.is_inference_mode_enabled() == self._is_inference:
            torch.set_grad_enabled(self._has_gradients)
        if np.geterr() != self._numpy_errors:
            np.seterr(**self._numpy_errors)
        sys.stdout, sys.stderr = self._streams


@contextmanager
def settings_kept() -> Iterator[None]:
    """Put back, at the end, the settings of this process, its current folder and its global random generators.

    For code of an environment that is gone at the end: nothing of it is left behind.
    """
    settings, generators = ProcessSettings(), (random.getstate(), np.random.get_state(), torch.get_rng_state())
    with folder_kept(), exits_raised():
        try:
            yield
        finally:
            settings.restore()
            random.setstate(generators[0])
            np.random.set_state(generators[1])
            torch.set_rng_state(generators[2])


@contextmanager
def folder_kept() -> Iterator[None]:
    """Return, at the end, to the folder that is the current one now."""
    folder = _open_folder()
    try:
        yield
    finally:
        if folder is not None:
            with suppress(OSError):  # somebody's code may have closed it
                os.fchdir(folder)
                os.close(folder)


def _open_folder() -> int | None:
    """Return a descriptor of the current folder, which finds it even when it has been renamed; None without one."""
    if not hasattr(os, "fchdir"):
        return None
    try:
        return os.open(".", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # it has been removed
        return None


@contextmanager
def exits_raised() -> Iterator[None]:
    """Let ``os._exit`` raise SystemExit in this process: code of an environment must not end it unheard.

    Processes that are forked meanwhile leave by it as ever.
    """
    process, leave = os.getpid(), os._exit

    def leave_or_raise(status: int) -> NoReturn:
        if os.getpid() != process:
            leave(status)
        raise SystemExit(status)

    os._exit = leave_or_raise
    try:
        yield
    finally:
        os._exit = leave


def seed_global_generators(seed: int) -> None:
    """Seed the global generators of Python, numpy and torch, which environments may draw from."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
