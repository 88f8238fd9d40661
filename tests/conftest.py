"""What holds for every test."""

import signal
import sys

import pytest
import torch

# Two workers share few cores; a pool of threads in each would only make them wait for one another.
torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard():
    """Hear Ctrl-C, and let the programs that tests start hear it, even if we are to ignore it.

    A script's background job is told so. A program begins with the system's default for a signal that its parent has
    a handler for, and goes on to ignore what its parent ignores.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


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
