"""What was seen is remembered, within rollouts and from one to the next."""

import pytest

from tests.learning import broken

PROBE = ("env=gymnasium", "env.id=hsuanwu.env.probes:HsuanwuMemory-v0")
WITHIN_ROLLOUTS = (
    "total_steps=40_000",
    "envs_per_actor=8",
    "batch_size=16",
    "rollout_length=20",
    "learner.lr=0.005",
    "learner.ent_coef=0.01",
)
# one step a rollout: what is remembered is in init_state, or nowhere
ACROSS_ROLLOUTS = (
    "total_steps=20_000",
    "envs_per_actor=16",
    "batch_size=32",
    "rollout_length=1",
    "learner.lr=0.005",
    "learner.ent_coef=0.1",
    "+env.kwargs.length=1",
)
SOLVED, CHANCE = 0.95, (0.35, 0.65)


def right_fraction(train, *overrides):
    """Return how many of 400 answers are right; each is worth 1 or -1."""
    trainer = train(*PROBE, *overrides)
    return (trainer.test(episodes=400).to_dict()["episode_return"]["mean"] + 1) / 2


@pytest.mark.parametrize("setting", [WITHIN_ROLLOUTS, ACROSS_ROLLOUTS], ids=["within", "across"])
def test_lstm_remembers(train, setting):
    assert right_fraction(train, *setting, "learner.use_lstm=true") >= SOLVED


@pytest.mark.parametrize("setting", [WITHIN_ROLLOUTS, ACROSS_ROLLOUTS], ids=["within", "across"])
def test_feed_forward_policy_guesses(train, setting):
    low, high = CHANCE
    assert low < right_fraction(train, *setting) < high


@pytest.mark.parametrize(
    ("setting", "bug"),
    [
        (WITHIN_ROLLOUTS, broken.marks_first_rows_late),
        (ACROSS_ROLLOUTS, broken.drops_init_state),
        (ACROSS_ROLLOUTS, broken.forgets_between_rollouts),
    ],
)
def test_a_broken_twin_guesses(train, setting, bug, monkeypatch):
    bug(monkeypatch)
    low, high = CHANCE
    assert low < right_fraction(train, *setting, "learner.use_lstm=true") < high
