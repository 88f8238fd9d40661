"""Every registered policy keeps the contract, for every space of actions; broken ones do not."""

from dataclasses import replace

import pytest
import torch

from hsuanwu.common.nest import map_nest
from hsuanwu.common.registry import options
from hsuanwu.common.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, as_space
from hsuanwu.testing.policy import check_policy, check_zero_lag
from hsuanwu.testing.trajectory import random_trajectory
from hsuanwu.xploit.encoder import default_encoder
from hsuanwu.xploit.policy import FeedForwardPolicy, LstmPolicy
from hsuanwu.xplore.augmentation import RandomShift
from hsuanwu.xplore.distribution import DiagonalGaussian, SquashedGaussian, default_distribution
from tests.xploit.policy.mutants import MUTANTS, RowByRow

VECTOR = as_space({"shape": (4,)})
FRAMES = Box(0, 255, (2, 36, 36), "uint8")
NESTED = Dict({"b": Dict({"speed": Box(-1, 1, (3,)), "camera": FRAMES}), "a": Discrete(3)})
ACTIONS = [
    Discrete(3, start=5),
    Box(-1, 1, (2, 2)),
    Box([100, -1e-3], [200, 1e-3], (2,)),
    Box(-1, 1, (), "float64"),
    MultiDiscrete([2, 3]),
    MultiBinary((3,)),
]


def make(policy_class, observation_space=VECTOR, action_space=ACTIONS[0], augmentation=None, seed=0):
    torch.manual_seed(seed)
    encoder = default_encoder(observation_space, 6)
    policy = policy_class(encoder, default_distribution(action_space), 5, augmentation)
    with torch.no_grad():
        for parameter in policy.parameters():
            # large weights, so that what is forgotten is seen
            parameter.mul_(2)
    return policy


@pytest.fixture(params=options("policy"))
def policy_class(request):
    return options("policy")[request.param]


@pytest.mark.parametrize("action_space", ACTIONS, ids=str)
def test_contract_for_actions(policy_class, action_space):
    check_policy(make(policy_class, action_space=action_space), VECTOR)


@pytest.mark.parametrize("family", [DiagonalGaussian, SquashedGaussian])
def test_an_lstm_reads_actions_in_the_units_of_their_bounds(family):
    low, high = torch.tensor([100.0, -1e-3]), torch.tensor([200.0, 1e-3])
    outputs = []
    for space in (Box(-1, 1, (2,)), Box(low.numpy(), high.numpy(), (2,))):
        torch.manual_seed(0)
        policy = LstmPolicy(default_encoder(VECTOR, 6), family(space), 5, None)
        seen = random_trajectory(VECTOR, ACTIONS[0], 4, 3, policy.state_spec)
        action = torch.linspace(-1.5, 1.5, 5 * 3 * 2).reshape(5, 3, 2)
        if space.high[0] != 1:
            action = (low + high) / 2 + (high - low) / 2 * action
        outputs.append(policy.unroll(seen.observation, seen.is_first, action, seen.last_reward, seen.init_state))
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("observation_space", [FRAMES, NESTED, MultiDiscrete([2, 3])], ids=lambda x: type(x).__name__)
def test_contract_for_observations(policy_class, observation_space):
    check_policy(make(policy_class, observation_space), observation_space)


@pytest.mark.parametrize("seed", range(5))
def test_unroll_is_acting_row_by_row(policy_class, seed):
    policy = make(policy_class, action_space=MultiDiscrete([2, 3]), seed=seed)
    space = policy.distribution.action_space
    check_zero_lag(policy, random_trajectory(VECTOR, space, 11, 4, policy.state_spec, seed))
    check_zero_lag(policy, random_trajectory(VECTOR, space, 1, 1, policy.state_spec, seed))


def test_the_definition_keeps_the_contract():
    check_policy(make(RowByRow, action_space=Box(-1, 1, (2,))), VECTOR)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda cls: cls.__name__)
def test_mutants_are_caught(mutant):
    with pytest.raises(AssertionError, match=MUTANTS[mutant]):
        check_policy(make(mutant, action_space=Box(-1, 1, (2,))), VECTOR)


def test_the_definition_and_the_segments_agree():
    policy, definition = make(LstmPolicy), make(RowByRow)
    trajectory = random_trajectory(VECTOR, policy.distribution.action_space, 20, 5, policy.state_spec)
    seen = trajectory.observation, trajectory.is_first, trajectory.last_action, trajectory.last_reward
    expected, found = definition.unroll(*seen, trajectory.init_state), policy.unroll(*seen, trajectory.init_state)
    torch.testing.assert_close(found, expected)
    inputs = [*policy.parameters(), *definition.parameters()]
    gradients = torch.autograd.grad(
        sum(x.square().sum() for x in (*found, *expected)), [x for x in inputs if x.requires_grad]
    )
    half = len(gradients) // 2
    for ours, theirs in zip(gradients[:half], gradients[half:], strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_state_is_reset_before_the_first_row_is_consumed():
    """Written out by hand: environment 0 goes on with a state of ones, environment 1 begins an episode."""
    policy = make(LstmPolicy, action_space=Discrete(3))
    observation, action, reward = torch.tensor([[0.1, 0.2, 0.3, 0.4]] * 2), torch.tensor([2, 2]), torch.tensor([5.0, 5])
    ones, is_first = (torch.ones(2, 5), torch.ones(2, 5)), torch.tensor([False, True])
    params, state = policy.step_params(observation, is_first, action, reward, ones)

    features = policy.encoder(observation)[0]
    goes_on = torch.cat([features, torch.tensor([0.0, 0, 1]), torch.tensor([1.0])])
    begins = torch.cat([features, torch.tensor([0.0, 0, 0]), torch.tensor([0.0])])
    for b, (inputs, before) in enumerate([(goes_on, torch.ones(1, 5)), (begins, torch.zeros(1, 5))]):
        output, after = policy.core(inputs.unsqueeze(0), (before, before))
        torch.testing.assert_close(params[b], policy.actor(output)[0])
        torch.testing.assert_close((state[0][b], state[1][b]), (after[0][0], after[1][0]))

    unrolled = policy.unroll(observation[None], is_first[None], action[None], reward[None], ones)
    torch.testing.assert_close(unrolled.params[0], params)


def test_what_is_not_a_number_before_an_episode_does_not_reach_it():
    policy = make(LstmPolicy)
    trajectory = random_trajectory(VECTOR, policy.distribution.action_space, state_spec=policy.state_spec)
    is_first = torch.ones_like(trajectory.is_first)
    dirty = replace(
        trajectory,
        is_first=is_first,
        last_reward=torch.full_like(trajectory.last_reward, torch.nan),
        init_state=map_nest(lambda x: torch.full_like(x, torch.nan), trajectory.init_state),
    )
    check_zero_lag(policy, dirty)


def test_gradients_stop_where_an_episode_begins():
    policy = make(LstmPolicy)
    trajectory = random_trajectory(VECTOR, policy.distribution.action_space, 5, 2, policy.state_spec)
    is_first = torch.zeros_like(trajectory.is_first)
    is_first[3, 0] = True
    observation = trajectory.observation.clone().requires_grad_()
    seen = observation, is_first, trajectory.last_action, trajectory.last_reward
    params, _ = policy.unroll(*seen, trajectory.init_state)
    (gradient,) = torch.autograd.grad(params[4].sum(), observation)
    reached = gradient.ne(0).any(-1)
    assert reached.tolist() == [[False, True]] * 3 + [[True, True]] * 2 + [[False, False]]


@pytest.mark.parametrize("policy_class", [FeedForwardPolicy, LstmPolicy])
def test_observations_are_augmented_in_training_only(policy_class):
    policy = make(policy_class, FRAMES, augmentation=RandomShift(FRAMES))
    trajectory = random_trajectory(FRAMES, policy.distribution.action_space, 3, 2, policy.state_spec)
    seen = trajectory.observation, trajectory.is_first, trajectory.last_action, trajectory.last_reward
    check_zero_lag(policy.eval(), trajectory)
    plain = policy.unroll(*seen, trajectory.init_state).params
    policy.train()
    assert not torch.equal(policy.unroll(*seen, trajectory.init_state).params, plain)
    row = map_nest(lambda x: x[0], seen)
    torch.testing.assert_close(policy.step_params(*row, trajectory.init_state)[0], plain[0])


def test_one_row_is_what_the_lstm_makes_of_it():
    """In both directions: values, and gradients of all its weights, of the input and of the state."""
    policy = make(LstmPolicy)
    core = policy.core
    inputs = torch.randn(1, 3, core.input_size, requires_grad=True)
    state = tuple(torch.randn(3, core.hidden_size, requires_grad=True) for _ in range(2))
    output, after = policy._run(inputs, state)
    expected, (hidden, cell) = core(inputs, tuple(x.unsqueeze(0) for x in state))
    leaves = [inputs, *state, *core.parameters()]
    for found, right in [(output, expected), (after[0], hidden[0]), (after[1], cell[0])]:
        torch.testing.assert_close(found, right)
        gradients = (torch.autograd.grad((x**2).sum(), leaves, retain_graph=True) for x in (found, right))
        for of_found, of_right in zip(*gradients, strict=True):
            torch.testing.assert_close(of_found, of_right)
