"""Without lag, what the learner recomputes is what the actor did: every importance ratio is 1.

Real actors, storages, transports, environments and policies; nothing stands in for anything.
"""

import contextlib
import copy
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from hsuanwu.common.nest import map_nest
from hsuanwu.env import GymnasiumEnvFactory
from hsuanwu.runtime.actor import Actor
from hsuanwu.runtime.group import Group
from hsuanwu.runtime.transport import LocalTransport, ProcessTransport
from hsuanwu.runtime.weights import WeightBoard, Weights
from hsuanwu.xploit.encoder import MixedPrecisionEncoder, default_encoder
from hsuanwu.xploit.learner import IMPALALearner, impala_loss
from hsuanwu.xploit.storage import TrajectoryStorage
from tests.xploit.policy import mutants

TOLERANCE, BFLOAT16_TOLERANCE, NOTICED = 1e-5, 1e-3, 1e-3
NUM_ACTORS, NUM_ENVS, FEATURES = 2, 3, 16
PROBES = "hsuanwu.env.probes:Hsuanwu"
# with the row of their reset, episodes have 7, 3, 11, 9 and 7 rows: they end everywhere in rollouts
ENVS = {
    "cartpole": GymnasiumEnvFactory("CartPole-v1"),
    "pendulum": GymnasiumEnvFactory("Pendulum-v1", {"max_episode_steps": 6}),
    "multi_discrete": GymnasiumEnvFactory(f"{PROBES}IdentityMultiDiscrete-v0", {"num_steps": 2}),
    "multi_binary": GymnasiumEnvFactory(f"{PROBES}IdentityMultiBinary-v0", {"num_steps": 10}),
    "dict": GymnasiumEnvFactory(f"{PROBES}IdentityDict-v0", {"num_steps": 8}),
    "memory": GymnasiumEnvFactory(f"{PROBES}Memory-v0", {"length": 5}),
}
LENGTHS = (1, 5, 20)
NUM_ROLLOUTS = {1: 120, 5: 30, 20: 15}
UNROLL = ("observation", "is_first", "last_action", "last_reward")


@dataclass
class Program:
    """A learner and the parts that bring it experience."""

    learner: IMPALALearner
    storage: TrajectoryStorage
    transport: Any
    end: Any
    num_rollouts: int

    def collect(self):
        """Return one rollout of each actor, side by side."""
        slots = self.end.collect(NUM_ACTORS)
        batch = self.storage.batch(slots).map(torch.clone)
        self.end.release(slots)
        return batch

    def collect_until_all_act_with(self, version):
        """Throw away what comes until each actor, and not only the fastest, has brought something of ``version``."""
        newest = dict.fromkeys(range(NUM_ACTORS), -1)
        while min(newest.values()) < version:
            (slot,) = self.end.collect(1)
            newest[slot.actor] = int(slot.trajectory.policy_version.min())
            self.end.release([slot])


@contextlib.contextmanager
def program(
    env,
    use_lstm,
    rollout_length,
    transport_class=LocalTransport,
    lr=1e-12,
    overlap=False,
    dtype=torch.float32,
    device="cpu",
):
    torch.manual_seed(len(env) + rollout_length)
    factory = ENVS[env]
    spaces = factory(1)
    encoder = MixedPrecisionEncoder(default_encoder(spaces.observation_space, FEATURES), dtype)
    learner = IMPALALearner(
        spaces.observation_space, spaces.action_space, "cpu", FEATURES, lr, use_lstm=use_lstm, encoder=encoder,
        optimizer="SGD",
    )  # fmt: skip
    spaces.close()
    sharpen(learner)
    shared = transport_class.shares_memory
    storage = TrajectoryStorage(
        spaces.observation_space, spaces.action_space, rollout_length, NUM_ENVS, NUM_ACTORS, learner.actor.state_spec,
        shared,
    )  # fmt: skip
    board = WeightBoard(learner.actor.state_dict(), shared, device)
    transport = transport_class(storage, board)
    board.publish(Weights(0, learner.actor.state_dict()))
    try:
        actor = Actor(factory, learner.actor, NUM_ENVS, rollout_length, seed=5, overlap=overlap, device=device)
        end = transport.launch(actor, NUM_ACTORS)
        yield Program(learner, storage, transport, end, NUM_ROLLOUTS[rollout_length])
    finally:
        transport.close()


def sharpen(learner):
    """Make the policy's choices depend on all it sees: what is near uniform hides mistakes."""
    with torch.no_grad():
        for name, weight in learner.learner.named_parameters():
            if "actor" in name or "core" in name:
                weight.mul_(3)
    learner.actor.load_state_dict(learner.learner.state_dict())


@torch.no_grad()
def ratio_errors(policy, batch):
    """Return ``|exp(log_prob of the policy - log_prob of who acted) - 1|`` of every row, valid or not."""
    params, _ = policy.unroll(*(getattr(batch, name) for name in UNROLL), batch.init_state)
    return (torch.exp(policy.distribution.log_prob(params[:-1], batch.action) - batch.log_prob) - 1).abs()


def shows_the_past(batch):
    """Return whether a first row holds what led to the end of the episode before."""
    return bool(batch.last_action[batch.is_first].any() or batch.last_reward[batch.is_first].any())


def check_coverage(batches):
    """Episodes began inside rollouts and at their first rows, and ended inside and at their last rows."""
    is_first = torch.cat([x.is_first[:-1] for x in batches[1:]], 1)
    ended = torch.cat([x.terminated | x.truncated for x in batches], 1)
    assert is_first[0].any() and ended[-1].any() and not ended.all()
    if len(is_first) > 1:
        assert is_first[1:].any() and ended[:-1].any()


def largest_error(run, policy=None):
    policy = run.learner.learner if policy is None else policy
    batches = []
    for _ in range(run.num_rollouts):
        batches.append(run.collect())
        assert not shows_the_past(batches[-1])
    check_coverage(batches)
    return max(ratio_errors(policy, batch).max().item() for batch in batches)


@pytest.mark.parametrize("rollout_length", LENGTHS)
@pytest.mark.parametrize("use_lstm", [False, True], ids=["feed_forward", "lstm"])
@pytest.mark.parametrize("env", ENVS)
def test_local(env, use_lstm, rollout_length):
    with program(env, use_lstm, rollout_length) as run:
        assert largest_error(run) < TOLERANCE


PAIRS = [
    ("cartpole", True, 20),
    ("pendulum", False, 1),
    ("dict", True, 5),
]
ALL = [(env, use_lstm, length) for env in ENVS for use_lstm in (False, True) for length in LENGTHS]


@pytest.mark.parametrize(
    ("env", "use_lstm", "rollout_length"),
    [*PAIRS, *(pytest.param(*case, marks=pytest.mark.slow) for case in ALL if case not in PAIRS)],
)
def test_process(env, use_lstm, rollout_length):
    with program(env, use_lstm, rollout_length, ProcessTransport) as run:
        assert largest_error(run) < TOLERANCE


@pytest.mark.parametrize(
    ("env", "use_lstm", "rollout_length", "transport_class"),
    [
        ("cartpole", False, 5, LocalTransport),
        ("memory", True, 5, LocalTransport),
        ("dict", True, 20, LocalTransport),
        ("pendulum", False, 1, LocalTransport),
        ("multi_discrete", True, 5, ProcessTransport),
    ],
)
def test_overlap(env, use_lstm, rollout_length, transport_class):
    """Groups of two environments and of one take turns."""
    with program(env, use_lstm, rollout_length, transport_class, overlap=True) as run:
        assert largest_error(run) < TOLERANCE


@pytest.mark.parametrize("use_lstm", [False, True], ids=["feed_forward", "lstm"])
@pytest.mark.parametrize("env", ["cartpole", "dict"])
def test_bfloat16(env, use_lstm):
    """Rows are rounded one by one, so that it does not matter how many are encoded at once.

    Sums in another order may round a feature the other way, by 2^-8 of its size: ratios of large networks are
    within 1e-3 of 1 (seen: 7e-6 for frames, 2e-7 here), which is far nearer than a learner in float32 would be.
    """
    with program(env, use_lstm, 5, dtype=torch.bfloat16) as run:
        assert largest_error(run) < BFLOAT16_TOLERANCE
        exact = copy.deepcopy(run.learner.learner)
        exact.encoder.dtype = torch.float32
        assert largest_error(run, exact) > BFLOAT16_TOLERANCE


class Spy:
    """Looks on while the loss calls ``vtrace``; what the loss makes of ignored actions does not matter."""

    def __init__(self, monkeypatch):
        self.log_rhos, self._right = [], impala_loss.vtrace
        monkeypatch.setattr(impala_loss, "vtrace", self)

    def __call__(self, log_rhos, *rest, mask, **named):
        self.log_rhos.append(log_rhos[mask])
        return self._right(log_rhos, *rest, mask=mask, **named)


def update(run, batch):
    learner = run.learner
    hyper_parameters = SimpleNamespace(learner=SimpleNamespace(discount=0.9, ent_coef=0.01))
    return learner.update(
        hyper_parameters, learner.actor, learner.learner, batch, batch.init_state, learner.optimizer, None
    )


@pytest.mark.parametrize("use_lstm", [False, True], ids=["feed_forward", "lstm"])
@pytest.mark.parametrize("env", ENVS)
def test_the_learners_own_ratios(env, use_lstm, monkeypatch):
    spy = Spy(monkeypatch)
    with program(env, use_lstm, 5) as run:
        for _ in range(run.num_rollouts):
            metrics = update(run, run.collect())
            assert metrics["rho"] == pytest.approx(1, abs=TOLERANCE) and metrics["rho_clipped_fraction"] == 0
    assert len(spy.log_rhos) == run.num_rollouts
    assert (torch.cat(spy.log_rhos).exp() - 1).abs().max() < TOLERANCE


@pytest.mark.parametrize(
    ("transport_class", "env", "use_lstm"),
    [(LocalTransport, "cartpole", False), (LocalTransport, "memory", True), (ProcessTransport, "dict", True)],
)
def test_the_version_in_a_slot_is_the_one_that_acted(transport_class, env, use_lstm):
    """A learner that learns: each column is explained by the weights of its version, and by no others."""
    with program(env, use_lstm, 5, transport_class, lr=0.02) as run:
        policy, history, seen = run.learner.learner, {}, set()
        for version in range(20):
            history[version] = {name: weight.clone() for name, weight in run.learner.actor.state_dict().items()}
            batch = run.collect()
            assert (batch.policy_version <= version).all()
            seen |= set(batch.policy_version.tolist())
            for other, weights in history.items():
                policy.load_state_dict(weights)
                fits = ratio_errors(policy, batch).amax(0) < TOLERANCE
                assert torch.equal(fits, batch.policy_version == other)
            policy.load_state_dict(history[version])
            update(run, batch)
            run.end.publish(Weights(version + 1, run.learner.actor.state_dict()))
        assert len(seen) > 5


def twin(policy_class, policy):
    """Return a policy with the same weights, but wrong."""
    wrong = policy_class(policy.encoder, policy.distribution, FEATURES, None)
    wrong.load_state_dict(policy.state_dict())
    return wrong


@pytest.mark.parametrize(
    ("env", "rollout_length"), [("cartpole", 5), ("multi_discrete", 5), ("multi_binary", 5), ("memory", 20)]
)
@pytest.mark.parametrize(
    "policy_class",
    [
        mutants.ResetsLate,
        mutants.NeverResets,
        mutants.ResetsHiddenOnly,
        mutants.ForgetsInitState,
        mutants.SwapsState,
        mutants.ForgetsLastAction,
    ],
)
def test_wrong_learners_are_noticed(policy_class, env, rollout_length):
    with program(env, True, rollout_length) as run:
        assert largest_error(run, twin(policy_class, run.learner.learner)) > NOTICED


def test_the_mutants_without_a_fault_are_right():
    with program("memory", True, 5) as run:
        assert largest_error(run, twin(mutants.RowByRow, run.learner.learner)) < TOLERANCE


def shows_what_led_to_the_last_end(monkeypatch):
    right = Group.record

    def record(self, view, t, result):
        right(self, view, t, result)
        rows = view.arrays
        rows.last_action[t + 1], rows.last_reward[t + 1] = rows.action[t], rows.reward[t] + 1

    monkeypatch.setattr(Group, "record", record)


def writes_init_state_late(monkeypatch):
    right = Group.finish

    def finish(self, view):
        right(self, view)
        map_nest(lambda target, x: target.copy_(x), view.trajectory.init_state, self._inference.state)

    monkeypatch.setattr(Group, "finish", finish)


def stores_the_log_prob_negated(monkeypatch):
    right = Group.act

    def act(self, view, t, generator):
        action = right(self, view, t, generator)
        view.log_prob[t].neg_()
        return action

    monkeypatch.setattr(Group, "act", act)


def marks_first_rows_early(monkeypatch):
    """The final observation is marked, after it was acted on, instead of the first one behind it."""
    right = Group.finish

    def finish(self, view):
        right(self, view)
        is_first = view.trajectory.is_first
        is_first[:-1] = is_first[1:].clone()

    monkeypatch.setattr(Group, "finish", finish)


@pytest.mark.parametrize(
    "bug", [writes_init_state_late, stores_the_log_prob_negated, marks_first_rows_early, shows_what_led_to_the_last_end]
)
def test_wrong_actors_are_noticed(bug, monkeypatch):
    bug(monkeypatch)
    with program("memory", True, 5) as run:
        errors, first_rows = [], 0
        for _ in range(run.num_rollouts):
            batch = run.collect()
            errors.append(ratio_errors(run.learner.learner, batch).max().item())
            first_rows += shows_the_past(batch)
        assert max(errors) > NOTICED or first_rows


def test_a_policy_that_sees_the_past_is_noticed_if_the_actor_shows_it(monkeypatch):
    shows_what_led_to_the_last_end(monkeypatch)
    with program("memory", True, 5) as run:
        wrong = twin(mutants.SeesLastActionAtFirst, run.learner.learner)
        assert max(ratio_errors(wrong, run.collect()).max().item() for _ in range(run.num_rollouts)) > NOTICED
