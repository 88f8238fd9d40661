import os
import random
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from hsuanwu.common.process_settings import ProcessSettings, exits_raised, seed_global_generators, settings_kept


def change_everything(folder):
    os.chdir(folder)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    torch.set_default_device("meta")
    torch.set_num_threads(torch.get_num_threads() + 1)
    np.seterr(all="raise")
    seed_global_generators(7)


def state():
    return (
        os.getcwd(),
        signal.getsignal(signal.SIGTERM),
        signal.getsignal(signal.SIGINT),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.get_default_device(),
        torch.get_num_threads(),
        np.geterr(),
        random.getstate(),
        str(np.random.get_state()),
        torch.get_rng_state().tolist(),
    )


def test_nothing_is_left_of_what_was_changed(tmp_path):
    before = state()
    with settings_kept():
        change_everything(tmp_path)
        assert all(new != old for new, old in zip(state(), before, strict=True))
    assert state() == before


def test_a_folder_that_was_removed_is_left(tmp_path):
    before = os.getcwd()
    with settings_kept():
        (tmp_path / "gone").mkdir()
        os.chdir(tmp_path / "gone")
        os.rmdir(tmp_path / "gone")
    assert os.getcwd() == before


def test_the_exit_of_a_process_raises():
    leave = os._exit
    with exits_raised(), pytest.raises(SystemExit, match="3"):
        os._exit(3)
    assert os._exit is leave


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_children_leave_as_ever():
    program = """
import os
from hsuanwu.common.process_settings import exits_raised

with exits_raised():
    child = os.fork()
    if child == 0:
        os._exit(3)
    raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 3


def test_gradients_stay_off_where_they_were_off():
    with torch.inference_mode():
        settings = ProcessSettings()
        settings.restore()
        assert torch.is_inference_mode_enabled() and not torch.is_grad_enabled()
    with torch.no_grad(), settings_kept():
        torch.set_grad_enabled(True)
    assert torch.is_grad_enabled()


def test_global_generators_follow_the_seed():
    def draw(seed):
        seed_global_generators(seed)
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    with settings_kept():
        assert draw(1) == draw(1)
        assert all(x != y for x, y in zip(draw(1), draw(2), strict=True))
