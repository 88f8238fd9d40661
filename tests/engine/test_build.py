"""What a configuration's run-level keys do to the objects that are made of it."""

import pytest
import torch

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.engine import DistributedTrainer
from hsuanwu.engine.build import actor_device, build_agent, build_runtime, check_run_keys, transport_class
from hsuanwu.engine.config import complete
from hsuanwu.runtime.transport import LocalTransport, ProcessTransport, ThreadTransport
from hsuanwu.xploit.encoder import MixedPrecisionEncoder, MlpEncoder

TRANSPORTS = {"local": LocalTransport, "process": ProcessTransport, "thread": ThreadTransport}


@pytest.mark.parametrize("use_lstm", [False, True])
@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("bfloat16", torch.bfloat16), ("float32", torch.float32), ("auto", torch.float32)],
)
def test_precision_is_the_encoders(composed, precision, dtype, use_lstm):
    agent = build_agent(complete(composed(f"precision={precision}", f"learner.use_lstm={use_lstm}")))
    for policy in (agent.learner.actor, agent.learner.learner):
        assert isinstance(policy.encoder, MixedPrecisionEncoder) and policy.encoder.dtype == dtype
        assert isinstance(policy.encoder.encoder, MlpEncoder)
        assert {weight.dtype for weight in policy.parameters()} == {torch.float32}
        assert sum(isinstance(module, MixedPrecisionEncoder) for module in policy.modules()) == 1


@pytest.mark.parametrize("overrides", [(), ("encoder=mlp", "encoder.hidden_dims=[7]"), ("encoder=identity",)], ids=str)
def test_weights_have_the_same_names_and_shapes_in_every_precision(composed, overrides):
    shapes = []
    for precision in ("float32", "bfloat16"):
        agent = build_agent(complete(composed(f"precision={precision}", *overrides)))
        shapes.append({name: x.shape for name, x in agent.learner.learner.state_dict().items()})
    assert shapes[0] == shapes[1]


def test_compile_is_for_the_learners_encoder_alone(composed, monkeypatch):
    calls = []

    def compiled(function, **_):
        def call(*args):
            calls.append(function.__self__)
            return function(*args)

        return call

    monkeypatch.setattr(torch, "compile", compiled)
    learner = build_agent(complete(composed("compile=true"))).learner
    row = torch.zeros(3, 4), torch.ones(3, dtype=torch.bool), torch.zeros(3, dtype=torch.int64), torch.zeros(3)
    learner.actor.act(*row, ())
    assert not calls
    learner.learner.act(*row, ())
    assert calls == [learner.learner.encoder]
    calls.clear()
    learner = build_agent(complete(composed("compile=false"))).learner
    learner.learner.act(*row, ())
    assert not calls


@pytest.mark.parametrize("name", TRANSPORTS)
def test_actors_infer_where_the_learner_is_if_they_run_beside_it_in_its_process(composed, name):
    cfgs = complete(composed(f"transport={name}", "overlap=true"))
    assert transport_class(cfgs) is TRANSPORTS[name]
    agent = build_agent(cfgs)
    # no accelerator is needed: a device that nothing else is on tells them apart
    agent.learner.learner.to("meta")
    assert agent.device.type == "meta"
    expected = "meta" if name == "thread" else "cpu"
    assert actor_device(cfgs, agent).type == expected
    runtime = build_runtime(cfgs, agent, seed=1)
    assert runtime.actor.device.type == expected
    assert runtime.actor.overlap is True
    runtime.transport.close()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("num_actors=0", "num_actors: found 0; use an integer of 1 or more, or auto"),
        ("num_actors=many", "num_actors: found many; use an integer of 1 or more, or auto"),
        ("envs_per_actor=-1", "envs_per_actor: found -1; use an integer of 1 or more, or auto"),
        ("learner_threads=0", "learner_threads: found 0; use an integer of 1 or more, or auto"),
        ("precision=float16", "precision: found float16; use one of auto, float32, bfloat16"),
        ("overlap=maybe", "overlap: found maybe; use one of auto, true, false"),
        ("envs_per_actor=3", "batch_size: found 8, which slots of envs_per_actor=3 environments can never fill"),
        ("batch_size=0", "batch_size: found 0; use 1 or more"),
        ("updates_per_batch=0", "updates_per_batch: found 0; use 1 or more"),
    ],
)
def test_mistakes(composed, override, message):
    with pytest.raises(ConfigurationError) as caught:
        check_run_keys(complete(composed(override)))
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["num_actors", "envs_per_actor", "learner_threads", "precision", "overlap"])
def test_auto_is_no_mistake(composed, key):
    check_run_keys(complete(composed(f"{key}=auto")))


class Misshapen(MlpEncoder):
    """Gives what it is told to, whatever its ``feature_dim``."""

    def __init__(self, observation_space, feature_dim, gives="as promised"):
        super().__init__(observation_space, feature_dim)
        self.gives, self.num_calls = gives, 0

    def forward(self, observation):
        self.num_calls += 1
        features = super().forward(observation)
        given = {
            "narrow": features[:, :-1],
            "flat": features.flatten(),
            "double": features.double(),
            "two": (features,),
        }
        return given.get(self.gives, features)


@pytest.mark.parametrize("normalize", ["false", "true"])
@pytest.mark.parametrize(
    ("gives", "found"),
    [
        ("narrow", "[2, 63] torch.float32"),
        ("flat", "[128] torch.float32"),
        ("double", "[2, 64] torch.float64"),
        ("two", "tuple"),
    ],
)
def test_features_that_do_not_fit_are_refused_before_anything_is_written(composed, tmp_path, gives, found, normalize):
    overrides = [f"+encoder._target_={__name__}.Misshapen", f"+encoder.gives={gives}", "feature_dim=64"]
    with pytest.raises(ConfigurationError) as caught:
        DistributedTrainer(composed(*overrides, f"normalize_observation={normalize}"))
    assert str(caught.value) == (
        f"encoder: Misshapen gives {found} for two observations; its feature_dim is 64, so [2, 64] torch.float32 was "
        "expected"
    )
    assert not (tmp_path / "run").exists()


def test_an_encoder_is_not_changed_by_a_look_at_its_features(composed):
    agent = build_agent(complete(composed(f"+encoder._target_={__name__}.Misshapen")))
    encoder = agent.learner.learner.encoder.encoder
    assert isinstance(encoder, Misshapen) and encoder.num_calls == 0 and encoder.training


def test_staggering_is_refused_before_anything_is_written(composed, tmp_path):
    with pytest.raises(ConfigurationError, match="stagger_steps: found 100, .*env.native_vector=false"):
        DistributedTrainer(composed("env=cartpole", "env.native_vector=true", "stagger_steps=100"))
    assert not (tmp_path / "run").exists()
