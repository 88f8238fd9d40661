"""The room of environments opens without the libraries of extras."""

import subprocess
import sys

from tests.waiting import PATIENCE

CODE = """
import sys
for name in ("ale_py", "dm_control", "mujoco"):
    sys.modules[name] = None
import hsuanwu.env
import hsuanwu.env.probes
from hsuanwu.env import GymnasiumEnvFactory
GymnasiumEnvFactory("CartPole-v1")(2).reset(seed=1)
try:
    GymnasiumEnvFactory("ALE/Pong-v5")(2)
except ValueError as error:
    print(error)
"""


def test_extras_are_imported_when_they_are_needed():
    result = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert result.stdout.strip() == "env.id: ale-py is not installed; pip install 'hsuanwu[atari]'"
