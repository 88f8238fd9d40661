"""The contextual identity task is learnt within 12,000 steps, whatever the form of observations and actions."""

import pytest

from tests.learning import broken

BEST, BAR = 100, 90
TASKS = {
    name: ("env=gymnasium", f"env.id=hsuanwu.env.probes:HsuanwuIdentity{name}-v0")
    for name in ("Discrete", "MultiDiscrete", "MultiBinary", "Box", "Dict")
} | {"dm_env": ("env=dm_env", "env.factory=hsuanwu.env.probes.make_identity_dm_env")}
BUDGET = ("total_steps=12_000", "envs_per_actor=4", "batch_size=8", "rollout_length=4")
LEARNER = ("learner.discount=0", "learner.lr=0.02")


def mean_return(train, task, *overrides):
    trainer = train(*TASKS[task], *BUDGET, *LEARNER, *overrides)
    assert trainer.clock.steps < 12_100
    return trainer.test(episodes=20).to_dict()["episode_return"]["mean"]


@pytest.mark.parametrize("task", TASKS)
def test_is_learnt(train, task):
    assert BAR <= mean_return(train, task) <= BEST


def test_is_learnt_where_actions_do_not_count_from_0(train):
    assert mean_return(train, "Discrete", "+env.kwargs.start=3") >= BAR


def rescaled(low, high):
    """Return the overrides of a Box task whose actions are from ``low`` to ``high`` instead of -1 to 1."""
    return f"env.wrappers=[{{path: tests.learning.tasks.RescaledAction, kwargs: {{low: {low}, high: {high}}}}}]"


OTHER_BOUNDS = ((-1e-3, 1e-3), (-200.0, 200.0), (0.0, 1.0), (-1e6, 1e6))


@pytest.mark.parametrize(
    ("low", "high"), [(100.0, 200.0), *(pytest.param(*x, marks=pytest.mark.slow) for x in OTHER_BOUNDS)]
)
def test_bounds_make_no_difference(train, low, high):
    assert mean_return(train, "Box", rescaled(low, high)) >= BAR


@pytest.mark.slow
def test_bounds_make_no_difference_to_memory(train):
    assert mean_return(train, "Box", rescaled(100.0, 200.0), "learner.use_lstm=true") >= BAR


def test_far_bounds_are_not_learnt_in_the_units_of_the_environment(train):
    units = ("distribution=diagonal_gaussian", "distribution.units=environment")
    assert mean_return(train, "Box", rescaled(100.0, 200.0), *units) < BAR


def test_is_learnt_by_processes(train):
    assert mean_return(train, "Discrete", "transport=process") >= BAR


def test_is_learnt_with_memory(train):
    assert mean_return(train, "MultiDiscrete", "learner.use_lstm=true") >= BAR


BROKEN = [
    ("Discrete", broken.pays_rewards_a_row_late),
    ("Box", broken.descends_the_policy_gradient),
    ("MultiDiscrete", broken.misaligns_choices),
    ("MultiBinary", broken.acts_on_another_environment),
    ("dm_env", broken.shows_observations_a_row_late),
]
BROKEN_ELSEWHERE = [
    ("Discrete", broken.shows_observations_a_row_late),
    ("Box", broken.shows_observations_a_row_late),
    ("Dict", broken.descends_the_policy_gradient),
]


@pytest.mark.parametrize(
    ("task", "bug"), [*BROKEN, *(pytest.param(*x, marks=pytest.mark.slow) for x in BROKEN_ELSEWHERE)]
)
def test_is_not_learnt_by_a_broken_twin(train, task, bug, monkeypatch):
    bug(monkeypatch)
    assert mean_return(train, task) < BAR
