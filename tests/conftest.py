"""What holds for every test."""

import signal
import sys

import pytest
import torch

from hsuanwu.common.interrupts import ENDING

# Two workers share few cores; a pool of threads in each would only make them wait for one another.
torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def signals_are_heard():
    """Hear the signals that end a run, and let the programs that tests start hear them, though we are to ignore some.

    A script's background job is told to ignore Ctrl-C and Ctrl-\\, and what nohup starts SIGHUP. A program begins with
    the system's default for a signal that its parent has a handler for, and goes on to ignore what its parent ignores.
    """
    heard = {number: signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL for number in ENDING}
    before = {number: signal.signal(number, handler) for number, handler in heard.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session", autouse=True)
def key_of_its_own(tmp_path_factory):
    """Keep the key that runs are signed with out of the user's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


try:
    # dm_control logs through absl, whose handler closes its stream when Hydra sets logging up anew, unless
    # that is the process's own: it would close what pytest captures with.
    import absl.logging
except ImportError:
    pass
else:
    absl.logging.get_absl_handler().python_handler.stream = sys.__stderr__
