import os
import subprocess
import sys

import numpy as np
import pytest

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.spaces import Box, Dict
from hsuanwu.env import DmControlEnvFactory
from hsuanwu.testing.env import check_vector_env
from tests.waiting import PATIENCE


def test_missing_extra(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "disabled")
    monkeypatch.setitem(sys.modules, "dm_control", None)
    monkeypatch.delitem(sys.modules, "dm_control.suite", raising=False)
    with pytest.raises(
        ConfigurationError, match=r"^env.domain: dm_control is not installed; pip install 'hsuanwu\[dmc"
    ):
        DmControlEnvFactory("cartpole", "balance")(1)


@pytest.mark.filterwarnings("default")
class TestWithDmControl:
    @pytest.fixture(autouse=True)
    def dm_control(self):
        pytest.importorskip("dm_control")

    def test_contract(self):
        factory = DmControlEnvFactory("cartpole", "balance", {"time_limit": 0.5})
        env = factory(2)
        assert isinstance(env.observation_space, Dict)
        assert env.observation_space.spaces["position"].dtype == np.float32
        assert env.action_space == Box(-1, 1, (1,))
        check_vector_env(factory)

    def test_time_limit_truncates(self):
        env = DmControlEnvFactory("cartpole", "balance", {"time_limit": 0.05})(2)
        env.reset(seed=1)
        flags = [np.copy(env.step(np.zeros((2, 1))).truncated) for _ in range(5)]
        assert np.array(flags)[:, 0].tolist() == [False, False, False, False, True]
        step = env.step(np.zeros((2, 1)))
        assert not step.truncated.any()
        assert not step.reward.any()

    def test_actions_are_held(self):
        """One step that holds its action for four leads where four steps lead, for the sum of their rewards."""
        single, held = (DmControlEnvFactory("cartpole", "balance", action_repeat=n)(2) for n in (1, 4))
        single.reset(seed=1)
        held.reset(seed=1)
        action = np.array([[0.3], [-0.7]])
        rewards = [np.copy(single.step(action).reward) for _ in range(3)]
        last, step = single.step(action), held.step(action)
        np.testing.assert_array_equal(step.observation["position"], last.observation["position"])
        np.testing.assert_allclose(step.reward, np.sum([*rewards, last.reward], 0), rtol=1e-6)

    def test_held_actions_end_with_the_episode(self):
        factory = DmControlEnvFactory("cartpole", "balance", {"time_limit": 0.06}, action_repeat=4)
        env = factory(2)
        env.reset(seed=1)
        rewards, truncated = [], []
        for _ in range(3):  # of 4 control steps, of 2, and of none: the reset
            step = env.step(np.zeros((2, 1)))
            rewards.append(float(step.reward[0]))
            truncated.append(bool(step.truncated[0]))
        assert truncated == [False, True, False]
        assert rewards[2] == 0 < rewards[1] < 2 < rewards[0] < 4
        check_vector_env(factory)

    def test_physics_that_is_drawn_when_it_is_built_follows_the_seed(self):
        def seen(seed, action_repeat=1):
            env = DmControlEnvFactory("lqr", "lqr_2_1", action_repeat=action_repeat)(2)
            env.reset(seed)
            for _ in range(5):
                step = env.step(np.ones((2, 1)))
            env.close()
            return np.copy(step.observation["position"])

        for action_repeat in (1, 2):
            first, again, other = (seen(seed, action_repeat) for seed in (1, 1, 2))
            np.testing.assert_array_equal(first, again)
            assert not np.allclose(first, other) and not np.allclose(first[0], first[1])

    def test_flat_observation(self):
        env = DmControlEnvFactory("cartpole", "balance", environment_kwargs={"flat_observation": True})(2)
        assert env.reset(seed=1)["observations"].shape == (2, 5)

    @pytest.mark.parametrize(
        "arguments, message",
        [
            (("cartpol", "balance"), "env.domain: 'cartpol' is unknown; did you mean 'cartpole'? domains: acrobot, "),
            (
                ("cartpole", "balanc"),
                "env.task: cartpole has no task 'balanc'; did you mean 'balance'? tasks: balance,",
            ),
            (("cartpole", "balance", {"foo": 1}), "env.task_kwargs: cartpole balance cannot be built with {'foo': 1}"),
            (("cartpole", "balance", {}, {"foo": 1}), "env.environment_kwargs {'foo': 1}"),
            (("cartpole", "balance", {}, {}, 0), "env.action_repeat: found 0; use an integer of 1 or more"),
        ],
    )
    def test_mistakes_are_one_line(self, arguments, message):
        with pytest.raises(ConfigurationError) as caught:
            DmControlEnvFactory(*arguments)(1)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("backend", [None, "disabled"])
    def test_picture_or_one_line(self, backend):
        """In a process of its own: the backend is chosen when dm_control is first imported."""
        code = (
            "import os\n"
            "from hsuanwu.common.errors import ConfigurationError\n"
            "from hsuanwu.env import DmControlEnvFactory\n"
            "assert os.environ.get('MUJOCO_GL') == BACKEND\n"
            "try:\n"
            "    env = DmControlEnvFactory('cartpole', 'balance')(2, render=True)\n"
            "    env.reset(seed=1)\n"
            "    print('picture', env.render().shape)\n"
            "except ConfigurationError as error:\n"
            "    print(error)\n"
            "print(os.environ['MUJOCO_GL'])\n"
        ).replace("BACKEND", repr(backend))
        environment = {k: v for k, v in os.environ.items() if k not in ("MUJOCO_GL", "PYOPENGL_PLATFORM", "DISPLAY")}
        if backend:
            environment["MUJOCO_GL"] = backend
        result = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=PATIENCE, check=True
        )
        lines = result.stdout.splitlines()
        refusal = "env.domain: dm_control cannot draw on this machine"
        assert len(lines) == 2
        assert lines[1] in ("disabled", *(["egl"] if backend is None else []))
        assert lines[0].startswith(refusal) or (backend is None and lines[0] == "picture (240, 320, 3)")
