import pickle

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.env import GymnasiumEnvFactory, NativeVectorEnv, SerialVectorEnv

SELECT = "hsuanwu.env.wrappers.SelectObservation"

MODULE = """
import gymnasium
import numpy as np
from gymnasium import spaces

class Painter(gymnasium.Env):
    metadata = {"render_modes": ["rgb_array"]}
    observation_space = spaces.Box(-1, 1, (2,))
    action_space = spaces.Discrete(2)

    def __init__(self, render_mode=None, shade=9, config=None):
        self.render_mode, self.shade = render_mode, (config or {}).pop("shade", shade)

    def reset(self, *, seed=None, options=None):
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.zeros(2, np.float32), 1.0, False, False, {}

    def render(self):
        return np.full((4, 6, 3), self.shade, np.uint8)

class Texter(Painter):
    observation_space = spaces.Text(3)

class NoPicture(Painter):
    metadata = {"render_modes": []}

    def __init__(self):
        super().__init__()

def needs_something():
    raise gymnasium.error.DependencyNotInstalled("something is not installed,\\n run `pip install something`")

class PainterVector(gymnasium.vector.VectorEnv):
    metadata = {"render_modes": ["rgb_array"], "autoreset_mode": gymnasium.vector.AutoresetMode.NEXT_STEP}
    single_observation_space, single_action_space = Painter.observation_space, Painter.action_space

    def __init__(self, num_envs, render_mode=None, max_episode_steps=None):
        self.num_envs, self.render_mode, self.max_episode_steps = num_envs, render_mode, max_episode_steps

    def reset(self, *, seed=None, options=None):
        return np.zeros((self.num_envs, 2), np.float32), {}

    def render(self):
        return tuple(np.full((4, 6, 3), i + 1, np.uint8) for i in range(self.num_envs)) if self.render_mode else None

class Mute(PainterVector):
    metadata = {}

class ArrayPainterVector(PainterVector):
    def render(self):
        return np.stack(super().render())

class NeedsTuple(gymnasium.ObservationWrapper):
    def __init__(self, env, shape):
        assert isinstance(shape, tuple), "shape must be a tuple"
        super().__init__(env)
        self.shape = shape

    def observation(self, observation):
        return observation

def needy_wrapper(env):
    raise gymnasium.error.DependencyNotInstalled("something is not installed,\\n run `pip install something`")

if "StrangerPainter-v0" not in gymnasium.registry:
    gymnasium.register("StrangerPainter-v0", Painter)
    gymnasium.register("StrangerTexter-v0", Texter)
    gymnasium.register("StrangerNoPicture-v0", NoPicture)
    gymnasium.register("StrangerNeedy-v0", needs_something)
    gymnasium.register("StrangerNative-v0", vector_entry_point=PainterVector)
    gymnasium.register("StrangerArray-v0", vector_entry_point=ArrayPainterVector)
    gymnasium.register("StrangerMute-v0", Painter, vector_entry_point=Mute)

def not_a_wrapper(env):
    return 3
"""


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    """A user's own module."""
    (tmp_path / "stranger_envs.py").write_text(MODULE)
    (tmp_path / "stranger_broken.py").write_text("import a_module_that_is_not_there")
    monkeypatch.syspath_prepend(tmp_path)
    return "stranger_envs"


def test_native_vector_is_used():
    assert isinstance(GymnasiumEnvFactory("CartPole-v1")(2), NativeVectorEnv)
    assert isinstance(GymnasiumEnvFactory("CartPole-v1", native_vector=False)(2), SerialVectorEnv)
    assert isinstance(GymnasiumEnvFactory("Pendulum-v1")(2), SerialVectorEnv)


def test_stacked_frames():
    stack = {"path": "gymnasium.wrappers.FrameStackObservation", "kwargs": {"stack_size": 3}}
    env = GymnasiumEnvFactory("CartPole-v1", wrappers=[stack])(2)
    first = env.reset(seed=1).copy()
    assert first.shape == (2, 3, 4)
    after = env.step(np.zeros(2, int)).observation
    assert np.array_equal(after[:, :2], first[:, 1:])
    env.close()


def test_wrappers_are_applied_in_order():
    wrappers = [{"path": SELECT, "kwargs": {"indices": [0, 2, 3]}}, {"path": SELECT, "kwargs": {"indices": [2]}}]
    env = GymnasiumEnvFactory("CartPole-v1", wrappers=wrappers)(2)
    whole = GymnasiumEnvFactory("CartPole-v1", native_vector=False)(2)
    np.testing.assert_array_equal(env.reset(seed=3), whole.reset(seed=3)[:, [3]])


def test_wrapper_by_path():
    env = GymnasiumEnvFactory("CartPole-v1", wrappers=["gymnasium.wrappers.TimeAwareObservation"])(2)
    assert env.reset(seed=1).shape == (2, 5)


@pytest.mark.parametrize("native_vector", [True, False])
def test_kwargs_reach_the_environment(native_vector):
    kwargs = {"max_episode_steps": 3, "sutton_barto_reward": True}
    env = GymnasiumEnvFactory("CartPole-v1", kwargs, native_vector=native_vector)(2)
    env.reset(seed=1)
    steps = [tuple(map(np.copy, env.step(np.zeros(2, int)))) for _ in range(3)]
    assert steps[-1][3].all()
    assert not steps[0][1].any()


def test_factory_is_not_changed_by_use():
    factory = GymnasiumEnvFactory(
        "CartPole-v1", {"max_episode_steps": 3}, [{"path": SELECT, "kwargs": {"indices": [0]}}]
    )
    before = pickle.dumps(factory)
    factory(2)
    assert pickle.dumps(factory) == before
    assert pickle.loads(before)(2).num_envs == 2
    assert GymnasiumEnvFactory("CartPole-v1").kwargs == {}


def test_environments_may_change_what_they_are_built_with(stranger):
    """Each has a copy of its own: what one takes out is there for the next one."""
    factory = GymnasiumEnvFactory(f"{stranger}:StrangerPainter-v0", {"config": {"shade": 5}})
    for _ in range(2):
        env = factory(2, render=True)
        env.reset(seed=1)
        assert (env.render() == 5).all()
    assert factory.kwargs == {"config": {"shade": 5}}


@pytest.mark.parametrize("limit", [-1, None])
def test_no_limit_of_steps(limit):
    """A native vector would take -1 as the number of steps after which an episode ends."""
    env = GymnasiumEnvFactory("CartPole-v1", {"max_episode_steps": limit})(2)
    env.reset(seed=1)
    assert not any(env.step(np.zeros(2, int)).truncated.any() for _ in range(5))


def test_lists_of_a_configuration_become_tuples_where_a_wrapper_insists(stranger):
    wrappers = [{"path": f"{stranger}.NeedsTuple", "kwargs": {"shape": [3, 4]}}]
    env = GymnasiumEnvFactory(f"{stranger}:StrangerPainter-v0", wrappers=wrappers)(1)
    assert env._envs[0]._env.shape == (3, 4)


def test_environment_of_a_stranger(stranger):
    env = GymnasiumEnvFactory(f"{stranger}:StrangerPainter-v0", {"shade": 7})(2, render=True)
    env.reset(seed=1)
    assert env.render().shape == (4, 6, 3)
    assert (env.render() == 7).all()
    with pytest.raises(ConfigurationError, match=r"^env: render\(\) returned None|cannot draw"):
        GymnasiumEnvFactory(f"{stranger}:StrangerNative-v0")(2).render()


@pytest.mark.parametrize("name", ["StrangerNative-v0", "StrangerArray-v0"])
def test_native_vector_draws_environment_0(stranger, name):
    env = GymnasiumEnvFactory(f"{stranger}:{name}")(2, render=True)
    env.reset(seed=1)
    assert (env.render() == 1).all()


def test_ale_ids_need_no_module():
    pytest.importorskip("ale_py")
    env = GymnasiumEnvFactory("ALE/Pong-v5", {"reward_clipping": False})(2)
    assert env.reset(seed=1).shape == (2, 4, 84, 84)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            {"id": "CartPol-v1"},
            "env.id: Environment `CartPol` doesn't exist. Did you mean: `CartPole`?; an environment ",
        ),
        ({"id": "CartPole-v7"}, "It provides versioned environments: [ `v0`, `v1` ]"),
        ({"id": "CartPole"}, "env.id: No registered env with id: CartPole did you mean 'CartPole-v"),
        ({"id": "Cart Pole"}, "env.id: Malformed environment ID: Cart Pole"),
        ({"id": ""}, "env.id: "),
        ({"id": 3}, "env.id: "),
        ({"id": "no_such_module:A-v0"}, "env.id: cannot import module 'no_such_module' (No module named"),
        ({"id": "a:b:c-v0"}, "env.id: cannot import module 'a:b'"),
        ({"id": ":CartPole-v1"}, None),
        (
            {"id": "stranger_broken:A-v0"},
            "env.id: cannot import module 'stranger_broken' (No module named 'a_module_th",
        ),
        ({"id": "stranger_envs:StrangerPaint-v0"}, "Did you mean: `StrangerPainter`?"),
        ({"id": "stranger_envs:StrangerTexter-v0"}, "env observation_space: Text spaces are not supported"),
        ({"id": "stranger_envs:StrangerNeedy-v0"}, "StrangerNeedy-v0 cannot be built: something is not installed, run"),
        (
            {"id": "stranger_envs:StrangerPainter-v0", "kwargs": {"shad": 3}},
            "env.kwargs: stranger_envs:StrangerPainter",
        ),
        ({"id": "CartPole-v1", "kwargs": {"foo": 3}}, "env.kwargs: CartPole-v1 cannot be built with {'foo': 3} (CartP"),
        ({"id": "CartPole-v1", "wrappers": ["nowhere.A"]}, "env.wrappers: cannot import module 'nowhere'"),
        ({"id": "CartPole-v1", "wrappers": ["A"]}, "env.wrappers: found 'A'; use a dotted path"),
        ({"id": "CartPole-v1", "wrappers": [SELECT + "s"]}, "did you mean 'SelectObservation'?"),
        ({"id": "CartPole-v1", "wrappers": [SELECT]}, f"env.wrappers: {SELECT} cannot wrap "),
        ({"id": "CartPole-v1", "wrappers": [3]}, "env.wrappers: found 3; use 'my_module.MyWrapper'"),
        ({"id": "CartPole-v1", "wrappers": [{"path": SELECT, "args": 3}]}, "env.wrappers: found {'path'"),
        ({"id": "CartPole-v1", "wrappers": ["stranger_envs.not_a_wrapper"]}, "gave a int; a gymnasium.Env was expect"),
        (
            {"id": "CartPole-v1", "wrappers": ["stranger_envs.needy_wrapper"]},
            "env.wrappers: stranger_envs.needy_wrapper cannot wrap ",
        ),
        ({"id": "stranger_envs:StrangerNative-v0", "native_vector": False}, "env.native_vector: StrangerNative-v0"),
    ],
)
def test_mistakes_are_one_line(stranger, arguments, message):
    if message is None:
        assert GymnasiumEnvFactory(**arguments)(2).num_envs == 2
        return
    with pytest.raises(ConfigurationError) as caught:
        GymnasiumEnvFactory(**arguments)(2)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("env")


@pytest.mark.filterwarnings("ignore:.*missing AutoresetMode:UserWarning")
def test_native_vector_without_a_mode(stranger):
    with pytest.raises(ConfigurationError, match="StrangerMute-v0|Mute.metadata.*env.native_vector=false"):
        GymnasiumEnvFactory(f"{stranger}:StrangerMute-v0")(2)
    assert GymnasiumEnvFactory(f"{stranger}:StrangerMute-v0", native_vector=False)(2).num_envs == 2


@pytest.mark.filterwarnings("ignore:.*render_mode.*:UserWarning")
@pytest.mark.parametrize("id", ["stranger_envs:StrangerNoPicture-v0", "hsuanwu.env.probes:HsuanwuCounterNextStep-v0"])
def test_what_cannot_draw_is_refused(stranger, id):
    with pytest.raises(ConfigurationError, match=f"^env.id: {id} cannot draw itself"):
        GymnasiumEnvFactory(id)(1, render=True)


def test_missing_library_for_pictures(monkeypatch):
    def no_pygame(self):
        raise gymnasium.error.DependencyNotInstalled('pygame is not installed, run `pip install "gymnasium[classic]"`')

    env = GymnasiumEnvFactory("CartPole-v1")(1, render=True)
    monkeypatch.setattr(type(env._env), "render", no_pygame)
    env.reset(seed=1)
    with pytest.raises(ConfigurationError, match="^env: cannot draw itself: pygame is not installed"):
        env.render()


def test_seeds_of_serial_environments_are_independent():
    env = GymnasiumEnvFactory("CartPole-v1", native_vector=False)(4)
    first = np.copy(env.reset(seed=1))
    assert len(np.unique(first, axis=0)) == 4
    # not seed, seed + 1, ...: neighbouring seeds share no environment
    assert not set(map(tuple, first)) & set(map(tuple, env.reset(seed=2)))


def test_dtype_and_bounds_are_those_of_gymnasium():
    env = GymnasiumEnvFactory("Pendulum-v1")(2)
    assert env.action_space.to_gymnasium() == spaces.Box(-2, 2, (1,))
    assert env.reset(seed=1).dtype == np.float32


def layers(env):
    """Return the names of the wrappers of the first environment, outermost first."""
    env, names = env._envs[0]._env, []
    while isinstance(env, gymnasium.Wrapper):
        names.append(type(env).__name__)
        env = env.env
    return names


def test_only_what_stands_alone_is_not_asked_whether_it_was_reset():
    """A wrapper of a user may step or draw too early; the serial vector alone does not."""
    select = [{"path": SELECT, "kwargs": {"indices": [0]}}]
    kwargs = {"native_vector": False}
    assert layers(GymnasiumEnvFactory("CartPole-v1", **kwargs)(2)) == ["TimeLimit"]
    assert layers(GymnasiumEnvFactory("CartPole-v1", **kwargs)(2, render=True)) == ["TimeLimit", "OrderEnforcing"]
    wrapped = layers(GymnasiumEnvFactory("CartPole-v1", wrappers=select)(2))
    assert wrapped == ["SelectObservation", "TimeLimit", "OrderEnforcing"]
    assert gymnasium.spec("CartPole-v1").order_enforce


def test_spec_of_a_wrapped_environment_is_followed(monkeypatch):
    inner = gymnasium.wrappers.TimeAwareObservation(gymnasium.make("CartPole-v1", disable_env_checker=True))
    monkeypatch.setitem(gymnasium.registry, "HsuanwuTestAware-v0", inner.spec)
    env = GymnasiumEnvFactory("HsuanwuTestAware-v0", {"max_episode_steps": 3})(2)
    assert layers(env) == ["TimeAwareObservation", "TimeLimit", "OrderEnforcing"]
    assert env.reset(seed=1).shape == (2, 5)
    assert [env.step(np.zeros(2, int)).truncated.tolist() for _ in range(4)][2:] == [[True] * 2, [False] * 2]


@pytest.mark.parametrize(
    ("id", "module", "wrapper", "shape"),
    [
        ("MinAtar/SpaceInvaders-v1", "minatar", "hsuanwu.env.wrappers.ChannelFirstObservation", (6, 10, 10)),
        ("MiniGrid-Empty-5x5-v0", "minigrid", "minigrid.wrappers.ImgObsWrapper", (7, 7, 3)),
    ],
)
def test_environments_of_extras_are_registered_by_their_name(id, module, wrapper, shape):
    pytest.importorskip(module)
    for _ in range(2):  # to ask twice registers once
        env = GymnasiumEnvFactory(id, wrappers=[wrapper])(2)
        assert env.reset(seed=1).shape == (2, *shape)
        env.close()
