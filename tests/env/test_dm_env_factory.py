import numpy as np
import pytest

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.env import DmEnvFactory

MODULE = """
from dm_env import Environment
from hsuanwu.env.probes import make_identity_dm_env

def unseeded(num_actions=4):
    return make_identity_dm_env(num_actions)

def wrong():
    return 3

def painter():
    env = make_identity_dm_env()
    import numpy as np
    env.render = lambda: np.full((4, 6, 3), 5, np.uint8)
    return env

number = 3
"""


@pytest.fixture(autouse=True)
def stranger(tmp_path, monkeypatch):
    (tmp_path / "stranger_dm_envs.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)


def test_environments_are_seeded_one_by_one():
    env = DmEnvFactory("hsuanwu.env.probes.make_identity_dm_env", {"num_actions": 1000})(4)
    first = env.reset(seed=1).tolist()
    assert len(set(first)) == 4
    assert env.reset(seed=1).tolist() == first
    assert env.reset(seed=2).tolist() != first


def test_a_seed_of_the_user_is_kept():
    env = DmEnvFactory("hsuanwu.env.probes.make_identity_dm_env", {"num_actions": 1000, "seed": 5})(3)
    assert len(set(env.reset(seed=1).tolist())) == 1


def test_factory_without_seed():
    env = DmEnvFactory("stranger_dm_envs.unseeded", {"num_actions": 3})(2)
    env.reset(seed=1)
    assert env.action_space.n == 3


def test_colon_is_accepted():
    assert DmEnvFactory("stranger_dm_envs:unseeded")(2).num_envs == 2


def test_picture():
    env = DmEnvFactory("stranger_dm_envs.painter")(2, render=True)
    env.reset(seed=1)
    assert (env.render() == np.full((4, 6, 3), 5)).all()


@pytest.mark.parametrize(
    "arguments, render, message",
    [
        ({"factory": "no_such_module.make"}, False, "env.factory: cannot import module 'no_such_module'"),
        ({"factory": "make"}, False, "env.factory: found 'make'; use a dotted path"),
        ({"factory": ""}, False, "env.factory: found ''; use a dotted path"),
        ({"factory": "stranger_dm_envs.unseded"}, False, "has no 'unseded'; did you mean 'unseeded'?"),
        (
            {"factory": "stranger_dm_envs.number"},
            False,
            "env.factory: stranger_dm_envs.number is a int, not a function",
        ),
        (
            {"factory": "stranger_dm_envs.wrong"},
            False,
            "env.factory: stranger_dm_envs.wrong returned a int; a dm_env.En",
        ),
        ({"factory": "stranger_dm_envs.wrong", "kwargs": {"a": 1}}, False, "env.kwargs: stranger_dm_envs.wrong cannot"),
        ({"factory": "stranger_dm_envs.unseeded"}, True, "env: IdentityDmEnv cannot draw itself"),
    ],
)
def test_mistakes_are_one_line(arguments, render, message):
    with pytest.raises(ConfigurationError) as caught:
        DmEnvFactory(**arguments)(2, render=render)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
