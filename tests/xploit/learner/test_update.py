"""Which hyper-parameters an update reads, from where, and what they do."""

import copy
import math
import types
from dataclasses import fields, replace
from threading import Event, Lock, Thread

import pytest
import torch
from omegaconf import OmegaConf

from hsuanwu.common.clock import Clock
from hsuanwu.common.errors import ConfigurationError
from hsuanwu.testing.learner import update
from hsuanwu.xploit.encoder import MlpEncoder
from tests.waiting import join, wait_for
from tests.xploit.learner.cases import (
    BOX,
    DISCRETE,
    MULTI_BINARY,
    MULTI_DISCRETE,
    OBSERVATION,
    batch_for,
    cfgs_of,
    make,
)


@pytest.fixture
def learner():
    return make(action_space=BOX, use_lstm=True)


@pytest.fixture
def batch(learner):
    return batch_for(learner)


def run(learner, batch, cfgs):
    """Return metrics and weights after an update of a copy."""
    twin = copy.deepcopy(learner)
    metrics = update(twin, batch, cfgs)
    return metrics, torch.nn.utils.parameters_to_vector(twin.learner.parameters())


def namespace(**learner):
    return types.SimpleNamespace(learner=types.SimpleNamespace(**learner))


FORMS = [cfgs_of, lambda **section: cfgs_of(OmegaConf, **section), namespace]
METRICS = {
    *("loss", "policy_loss", "baseline_loss", "entropy_loss", "entropy", "value", "explained_variance"),
    *("rho", "rho_clipped_fraction", "gradient_norm", "learning_rate", "bound_loss"),
}


@pytest.mark.parametrize("form", FORMS, ids=["dict", "DictConfig", "attributes"])
def test_configurations_of_all_kinds(learner, batch, form):
    metrics, weights = run(learner, batch, form(ent_coef=0.5, reward_clip=0.25))
    expected_metrics, expected = run(learner, batch, cfgs_of(ent_coef=0.5, reward_clip=0.25))
    assert metrics == expected_metrics and torch.equal(weights, expected)
    assert metrics.keys() == METRICS


def test_no_state_may_be_none():
    learner = make(action_space=BOX, use_lstm=False)
    arguments = [cfgs_of(), learner.actor, learner.learner, batch_for(learner)]
    found = learner.update(*arguments, None, learner.optimizer, None)
    assert math.isfinite(found["loss"])
    memory = make(action_space=BOX, use_lstm=True)
    with pytest.raises(ConfigurationError, match=r"^init_actor_states: found shapes \[\], expected"):
        memory.update(cfgs_of(), memory.actor, memory.learner, batch_for(memory), None, memory.optimizer, None)


def test_a_struct_does_not_need_all_keys(learner, batch):
    cfgs = cfgs_of(OmegaConf, discount=0.5, _target_="hsuanwu.xploit.learner.IMPALALearner", lr=3.0)
    OmegaConf.set_struct(cfgs, True)
    assert run(learner, batch, cfgs)[0] == run(learner, batch, cfgs_of(discount=0.5))[0]


DEFAULTS = {
    "ent_coef": 0.01,
    "baseline_coef": 0.5,
    "max_grad_norm": 40.0,
    "discount": 0.99,
    "lambda_": 1.0,
    "clip_rho": 1.0,
    "clip_c": 1.0,
    "clip_pg_rho": 1.0,
    "loss_reduction": "sum",
    "reward_clip": None,
    "bound_coef": 0.05,
}


def test_what_is_left_out_has_the_default_of_the_constructor(learner, batch):
    metrics, weights = run(learner, batch, cfgs_of())
    expected_metrics, expected = run(learner, batch, cfgs_of(**DEFAULTS))
    assert metrics == expected_metrics and torch.equal(weights, expected)


@pytest.mark.parametrize(
    "name, value",
    [
        ("ent_coef", 0.5),
        ("baseline_coef", 2.0),
        ("max_grad_norm", 1e-3),
        ("discount", 0.5),
        ("lambda_", 0.5),
        ("clip_rho", 0.25),
        ("clip_c", 0.25),
        ("clip_pg_rho", 0.25),
        ("loss_reduction", "mean"),
        ("reward_clip", 0.25),
    ],
)
def test_every_hyper_parameter_is_read(learner, batch, name, value):
    # SGD, for RMSprop hides the size of the gradient
    learner.optimizer = torch.optim.SGD(learner.learner.parameters(), lr=1e-3)
    changed, default = run(learner, batch, cfgs_of(**{name: value})), run(learner, batch, cfgs_of())
    assert not torch.allclose(changed[1], default[1], rtol=0, atol=1e-9)
    assert changed[0] != default[0] or name == "max_grad_norm"


def test_the_terms_of_the_loss(learner, batch):
    for ent_coef, baseline_coef in ((0.0, 0.0), (0.5, 0.0), (0.25, 2.0)):
        metrics, _ = run(learner, batch, cfgs_of(ent_coef=ent_coef, baseline_coef=baseline_coef))
        terms = metrics["policy_loss"], baseline_coef * metrics["baseline_loss"], ent_coef * metrics["entropy_loss"]
        assert metrics["loss"] == pytest.approx(math.fsum(terms), rel=1e-5)


def test_the_mean_is_the_sum_over_valid_rows(learner, batch):
    total, mean = (run(learner, batch, cfgs_of(loss_reduction=name))[0] for name in ("sum", "mean"))
    count = int(batch.valid.sum())
    assert 0 < count < batch.valid.numel()
    for name in ("loss", "policy_loss", "baseline_loss", "entropy_loss", "gradient_norm"):
        assert total[name] == pytest.approx(count * mean[name], rel=1e-4), name
    assert mean["entropy"] == pytest.approx(-mean["entropy_loss"], rel=1e-6) == total["entropy"]


def test_rewards_are_clipped_in_the_loss(learner, batch):
    large = replace(batch, reward=batch.reward * 100)
    clipped = replace(batch, reward=large.reward.clamp(-0.5, 0.5))
    kept = large.reward.clone()
    assert run(learner, large, cfgs_of(reward_clip=0.5))[0] == run(learner, clipped, cfgs_of())[0]
    assert torch.equal(large.reward, kept), "raw rewards stay raw"


def test_gradients_are_clipped_and_reported_raw(learner, batch):
    learner.optimizer = torch.optim.SGD(learner.learner.parameters(), lr=1.0)
    before = torch.nn.utils.parameters_to_vector(learner.learner.parameters())
    metrics, after = run(learner, batch, cfgs_of(max_grad_norm=0.5))
    assert metrics["gradient_norm"] > 0.5
    assert (after - before).norm().item() == pytest.approx(0.5, rel=1e-4)
    free, after = run(learner, batch, cfgs_of(max_grad_norm=math.inf))
    assert (after - before).norm().item() == pytest.approx(free["gradient_norm"], rel=1e-4)
    assert free["gradient_norm"] == metrics["gradient_norm"]


def test_ratios_are_one_without_lag(learner, batch):
    policy = learner.actor
    seen = batch.observation, batch.is_first, batch.last_action, batch.last_reward
    params = policy.unroll(*seen, batch.init_state).params
    fresh = replace(batch, log_prob=policy.distribution.log_prob(params[:-1], batch.action))
    metrics, _ = run(learner, fresh, cfgs_of(clip_rho=1.001))
    assert metrics["rho"] == pytest.approx(1.0, abs=1e-5) and metrics["rho_clipped_fraction"] == 0.0
    old = replace(fresh, log_prob=fresh.log_prob - math.log(2))
    metrics, _ = run(learner, old, cfgs_of())
    assert metrics["rho"] == pytest.approx(2.0, abs=1e-5) and metrics["rho_clipped_fraction"] == 1.0


def test_the_recurrent_state_comes_from_its_own_argument(learner, batch):
    zeros = learner.actor.init_state(batch.num_envs)
    first, second, third = copy.deepcopy(learner), copy.deepcopy(learner), copy.deepcopy(learner)
    given = update(first, batch, state=batch.init_state)
    assert given == update(second, replace(batch, init_state=zeros), state=batch.init_state)
    assert given != update(third, batch, state=zeros)


def test_a_mapping_of_the_fields_that_a_learner_needs():
    learner = make()
    batch = batch_for(learner)
    batch = replace(batch, valid=torch.ones_like(batch.valid), is_first=torch.zeros_like(batch.is_first))
    optional = ("valid", "init_state", "policy_version")
    mapping = {f.name: getattr(batch, f.name) for f in fields(batch) if f.name not in optional}
    assert update(copy.deepcopy(learner), mapping, state=()) == update(learner, batch)
    with pytest.raises(ConfigurationError, match="missing fields \\['reward'\\]"):
        update(learner, {name: x for name, x in mapping.items() if name != "reward"}, state=())


def test_learning_rates_follow_the_environment_steps():
    learner, clock = make(lr=0.5), Clock(total_steps=100)
    batch, scheduler = batch_for(learner), learner.make_lr_scheduler(clock)
    rates = []
    for steps in (20, 30, 50):
        clock.advance(steps)
        rates.append(update(learner, batch, lr_scheduler=scheduler)["learning_rate"])
    assert rates == pytest.approx([0.5, 0.4, 0.25])
    assert learner.optimizer.param_groups[0]["lr"] == 0.0 and scheduler.last_epoch == 3


@pytest.mark.parametrize("name, halfway", [("constant", 0.5), ("linear", 0.25), ("cosine", 0.25)])
def test_schedules_by_name(name, halfway):
    learner, clock = make(lr=0.5, lr_schedule=name), Clock(total_steps=100)
    scheduler = learner.make_lr_scheduler(clock)
    clock.advance(50)
    update(learner, batch_for(learner), lr_scheduler=scheduler)
    assert learner.optimizer.param_groups[0]["lr"] == pytest.approx(halfway)


def test_a_resumed_run_begins_with_its_rate():
    learner = make(lr=0.5)
    learner.make_lr_scheduler(Clock(total_steps=100, steps=75))
    assert learner.optimizer.param_groups[0]["lr"] == pytest.approx(0.125)


class WithBuffer(MlpEncoder):
    """Counts its calls in a buffer that is no parameter."""

    def __init__(self):
        super().__init__(OBSERVATION, 8)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, observation):
        self.calls += 1
        return super().forward(observation)


def test_an_update_publishes_all_weights_into_the_memory_of_the_actor():
    learner = make(encoder=WithBuffer())
    before = {name: x.data_ptr() for name, x in learner.actor.state_dict().items()}
    old = copy.deepcopy(learner.actor.state_dict())
    update(learner, batch_for(learner), cfgs_of(normalize_reward=True))
    weights = learner.learner.state_dict()
    for name, x in learner.actor.state_dict().items():
        assert torch.equal(x, weights[name]) and not torch.equal(x, old[name]), name
        assert x.data_ptr() == before[name] != weights[name].data_ptr(), name
    assert not any(weight.requires_grad for weight in learner.actor.parameters())
    assert all(weight.requires_grad for weight in learner.learner.parameters())


class WantedLock:
    """A lock that says when it is asked for."""

    def __init__(self):
        self.itself, self.is_wanted = Lock(), Event()

    def __enter__(self):
        self.is_wanted.set()
        self.itself.acquire()

    def __exit__(self, *_):
        self.itself.release()


def test_threads_wait_for_the_lock(learner, batch):
    lock, before = WantedLock(), copy.deepcopy(learner.learner.state_dict())

    def work():
        update(learner, batch, lock=lock)
        lock.is_wanted.set()  # or it never was

    thread = Thread(target=work)
    with lock.itself:
        thread.start()
        wait_for(lock.is_wanted, "an update that asks for the lock")
        assert all(torch.equal(x, before[name]) for name, x in learner.learner.state_dict().items())
    join(thread)
    assert any(not torch.equal(x, before[name]) for name, x in learner.learner.state_dict().items())


@pytest.mark.parametrize("name", ["observation", "reward"])
def test_a_gradient_that_is_not_finite_is_told_with_what_it_comes_from(learner, batch, name):
    with pytest.raises(FloatingPointError, match=f"for not every {name} of the environment is finite;"):
        update(learner, replace(batch, **{name: torch.full_like(getattr(batch, name), torch.nan)}))


@pytest.mark.parametrize(
    "space, wrong, right",
    [
        (DISCRETE, 3, "found 3 at [2, 1]; use a whole number from 0 to 2"),
        (DISCRETE, -1, "found -1 at [2, 1]; use a whole number from 0 to 2"),
        (MULTI_DISCRETE, torch.tensor([2, 0]), "found 2 at [2, 1, 0]; use a whole number from 0 to 1"),
        (MULTI_BINARY, torch.tensor([0, 2, 0]), "found 2 at [2, 1, 1]; use a whole number from 0 to 1"),
    ],
)
@pytest.mark.parametrize("name", ["action", "last_action"])
def test_an_action_outside_of_its_space_is_named(space, wrong, right, name):
    learner = make(action_space=space, use_lstm=True)
    batch = batch_for(learner)
    batch.valid[2, 1], batch.is_first[2, 1] = True, False
    getattr(batch, name)[2, 1] = wrong
    if space is MULTI_BINARY and name == "last_action":
        return  # a network can read a 2
    before = copy.deepcopy(learner.learner.state_dict())
    with pytest.raises(ConfigurationError) as caught:
        update(learner, batch)
    assert str(caught.value) == f"{name}: {right}"
    assert all(torch.equal(x, before[name]) for name, x in learner.learner.state_dict().items())


@pytest.mark.parametrize("name", ["action", "last_action"])
def test_an_action_that_is_no_number_is_named(learner, batch, name):
    batch.valid[2, 1], batch.is_first[2, 1] = True, False
    getattr(batch, name)[2, 1, 1] = math.nan
    with pytest.raises(FloatingPointError, match=rf"{name}: found nan at \[2, 1, 1\]; use a number"):
        update(learner, batch)


def test_a_gradient_that_overflows_is_told_with_what_was_too_large(learner, batch):
    large = replace(batch, reward=torch.full_like(batch.reward, 1e38))
    with pytest.raises(FloatingPointError, match=r"for the largest reward is 1e\+38, .* use learner.reward_clip=1.0"):
        update(learner, large)
    large = replace(batch, log_prob=torch.full_like(batch.log_prob, math.nan))
    with pytest.raises(FloatingPointError, match="though observations and rewards are; lower learner.lr or"):
        update(learner, large)


def test_the_lock_is_given_back_after_an_error(learner, batch):
    lock = Lock()
    with pytest.raises(FloatingPointError, match="gradient is not finite .* no weight was changed"):
        update(learner, replace(batch, reward=torch.full_like(batch.reward, torch.nan)), lock=lock)
    assert not lock.locked()


@pytest.mark.parametrize(
    "name, wrong",
    [("discount", 2.0), ("loss_reduction", "max"), ("max_grad_norm", -1.0), ("reward_clip", -1.0), ("clip_c", 0.0)],
)
def test_wrong_hyper_parameters_are_refused(learner, batch, name, wrong):
    with pytest.raises(ConfigurationError, match=rf"^learner.{name}: found {wrong!r}; use "):
        update(learner, batch, cfgs_of(**{name: wrong}))


def test_nan_in_an_ignored_action_changes_nothing(learner, batch):
    batch.valid[3, 1] = False
    expected = run(learner, batch, cfgs_of())
    batch.action[3, 1] = math.nan
    metrics, weights = run(learner, batch, cfgs_of())
    assert metrics == expected[0] and torch.equal(weights, expected[1])


def test_a_missing_section_is_named(learner, batch):
    with pytest.raises(ConfigurationError, match="learner: missing"):
        run(learner, batch, {})


@pytest.mark.parametrize(
    "wrong", [{"discount": "0.9"}, {"ent_coef": None}, {"ent_coef": math.nan}, {"baseline_coef": -1.0}]
)
def test_a_wrong_hyper_parameter_is_named(learner, batch, wrong):
    with pytest.raises(ConfigurationError, match=f"learner.{next(iter(wrong))}: found"):
        run(learner, batch, cfgs_of(**wrong))


def test_a_state_of_another_size_is_refused(learner, batch):
    batch.init_state = learner.actor.init_state(batch.num_envs + 1)
    with pytest.raises(ConfigurationError, match="init_actor_states: found shapes"):
        run(learner, batch, cfgs_of())
