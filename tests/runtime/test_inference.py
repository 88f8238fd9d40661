"""A policy acts the same whether it is called or replayed, and follows its weights and its state."""

import contextlib
import copy
import warnings

import pytest
import torch
from torch import nn
from torch.torch_version import TorchVersion

from hsuanwu.common.seeding import make_generator
from hsuanwu.common.slab import TensorSpec
from hsuanwu.common.spaces import Box, Discrete, MultiBinary, MultiDiscrete
from hsuanwu.runtime import inference as module
from hsuanwu.runtime.inference import DirectInference, GraphInference, make_inference
from hsuanwu.runtime.weights import WeightBoard, Weights
from hsuanwu.xploit.encoder import MixedPrecisionEncoder, MlpEncoder
from hsuanwu.xploit.policy import FeedForwardPolicy, LstmPolicy
from hsuanwu.xplore.distribution import (
    Bernoulli,
    Categorical,
    DiagonalGaussian,
    MultiCategorical,
    SquashedGaussian,
)
from tests.runtime.cpu_graph import CpuTorch

OBSERVATION, ACTION = Box(-1, 1, (3,)), Discrete(4)
B = 5

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture(params=["cpu", pytest.param("cuda:0", marks=gpu)])
def device(request, monkeypatch):
    """Where calls are recorded: on a GPU, on a stream that is not the learner's, and on the CPU by a twin of graphs."""
    if request.param == "cpu":
        monkeypatch.setattr(module, "torch", CpuTorch())
    with contextlib.nullcontext() if request.param == "cpu" else torch.cuda.stream(torch.cuda.Stream()):
        yield request.param


def make_policy(policy_class=FeedForwardPolicy, dtype=torch.float32, device="cpu"):
    # hidden layers so large that a converted copy of their weights would be kept
    encoder = MixedPrecisionEncoder(MlpEncoder(OBSERVATION, 8, hidden_dims=(300, 300)), dtype)
    return policy_class(encoder, Categorical(ACTION), 8, None).eval().to(device)


def row(t):
    """Return what is seen at step t: environment ``t % B`` begins an episode."""
    generator = make_generator(t)
    return (
        torch.randn(B, 3, generator=generator),
        torch.arange(B) == t % B,
        torch.randint(4, (B,), generator=generator),
        torch.randn(B, generator=generator),
    )


def change(policy):
    with torch.no_grad():
        for weight in policy.parameters():
            weight.mul_(-0.5).add_(0.03)


@torch.inference_mode()
def play(inference, policy, device, num_steps=12):
    """Act step by step, with other weights in between; return actions, and errors of log-probabilities and states."""
    twin, generator = copy.deepcopy(policy), make_generator(1, device)
    state, actions, errors = twin.init_state(B), [], []
    for t in range(num_steps):
        if t % 4 == 3:
            change(policy)
            change(twin)
        action, log_prob = inference.act(row(t), generator)
        params, state = twin.step_params(*(x.to(device) for x in row(t)), state)
        expected = twin.distribution.log_prob(params, action.to(device)).cpu()
        errors.append((log_prob.cpu() - expected).abs().max().item())
        errors += [(x - y).abs().max().item() for x, y in zip(inference.state, state, strict=True)]
        actions.append(action.tolist())
    return actions, max(errors)


@pytest.mark.parametrize("policy_class", [FeedForwardPolicy, LstmPolicy])
def test_on_the_cpu_the_policy_is_called(policy_class):
    policy = make_policy(policy_class)
    inference = make_inference(policy, B)
    assert type(inference) is DirectInference
    actions, error = play(inference, policy, "cpu")
    assert error < 1e-6 and len({tuple(action) for action in actions}) > 6


@pytest.mark.parametrize("policy_class", [FeedForwardPolicy, LstmPolicy])
def test_a_recorded_policy_is_replayed_and_follows_weights_and_state(policy_class, device):
    policy = make_policy(policy_class, device=device)
    inference = GraphInference(policy, B)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        actions, error = play(inference, policy, device)
    assert error < 1e-5
    assert len({tuple(action) for action in actions}) > 6, "each replay draws anew"


@gpu
@pytest.mark.parametrize("policy_class", [FeedForwardPolicy, LstmPolicy])
def test_on_a_gpu_the_policy_is_recorded_in_bfloat16_too(policy_class):
    policy = make_policy(policy_class, torch.bfloat16, "cuda:0")
    with torch.cuda.stream(torch.cuda.Stream()):
        inference = make_inference(policy, B)
        assert type(inference) is GraphInference
        assert play(inference, policy, "cuda:0")[1] < 2e-2


class Undecides:
    """What it does depends on the value of a tensor."""

    def step_params(self, observation, *rest):
        if observation.sum().item() > 0:
            observation = -observation
        return super().step_params(observation, *rest)


class Undecided(Undecides, FeedForwardPolicy):
    pass


class UndecidedLstm(Undecides, LstmPolicy):
    pass


class Broken(FeedForwardPolicy):
    def step_params(self, observation, *rest):
        return nn.functional.linear(observation, torch.zeros(2, 2, device=observation.device)), ()


class Delayed(FeedForwardPolicy):
    """Remembers the last two observations, the older one as it is: its new state holds a part of the old one."""

    def __init__(self, *args):
        super().__init__(*args)
        spec = TensorSpec((3,), torch.float32)
        self.state_spec = (spec, spec)

    def step_params(self, observation, is_first, last_action, last_reward, state):
        params, _ = super().step_params(state[1], is_first, last_action, last_reward, ())
        return params, (observation, state[0])


def test_a_state_may_hold_a_part_of_the_one_before(device):
    policy = make_policy(Delayed, device=device)
    assert play(GraphInference(policy, B), policy, device)[1] < 1e-5


def test_a_state_may_hold_a_part_of_the_one_before_where_nothing_is_recorded():
    policy = make_policy(Delayed)
    assert play(make_inference(policy, B), policy, "cpu")[1] < 1e-6


FAMILIES = [
    Categorical(ACTION),
    DiagonalGaussian(Box(-1, 1, (2,))),
    SquashedGaussian(Box(-1, 3, (2,))),
    MultiCategorical(MultiDiscrete((3, 2))),
    Bernoulli(MultiBinary((3,))),
]


@pytest.mark.parametrize("distribution", FAMILIES, ids=lambda x: type(x).__name__)
def test_every_family_can_be_recorded(distribution, device):
    policy = FeedForwardPolicy(MlpEncoder(OBSERVATION, 8), distribution, 8, None).eval().to(device)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("error")
        inference, generator = GraphInference(policy, B), make_generator(1, device)
        found = [inference.act(row(0), generator)[0].clone() for _ in range(8)]
    assert len({str(action) for action in found}) > 1


@pytest.mark.parametrize("policy_class", [Undecided, UndecidedLstm])
def test_a_policy_that_cannot_be_recorded_is_called(policy_class, device):
    if TorchVersion(torch.__version__) < "2.13":
        pytest.skip("a recording that fails leaves torch unusable")
    policy = make_policy(policy_class, device=device)
    with pytest.warns(UserWarning, match=f"{policy_class.__name__} cannot be recorded"):
        actions, error = play(GraphInference(policy, B), policy, device)
    assert torch.rand(1, device=device) >= 0, "others draw as before"
    play(GraphInference(make_policy(device=device), B), make_policy(device=device), device)
    assert error < 1e-5 and len({tuple(action) for action in actions}) > 6


@pytest.mark.parametrize("device", ["cpu"], indirect=True)
def test_an_older_torch_says_that_it_cannot_go_on(device, monkeypatch):
    monkeypatch.setattr(module, "_MENDS_ITSELF", "99")
    policy = make_policy(Undecided, device=device)
    with pytest.raises(RuntimeError, match="Undecided cannot be recorded as a CUDA graph; use transport=process"):
        play(GraphInference(policy, B), policy, device)


def test_a_mistake_in_the_policy_is_told_as_it_is(device):
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        play(GraphInference(make_policy(Broken, device=device), B), make_policy(device=device), device)


@gpu
def test_weights_on_a_gpu_are_read_by_another_stream():
    policy = make_policy()
    board = WeightBoard(policy.state_dict(), shared=False, device="cuda:0")
    assert board.read(-1) is None
    for version in range(5):
        change(policy)
        board.publish(Weights(version, policy.state_dict()))
        with torch.cuda.stream(torch.cuda.Stream()):
            weights = board.read(version - 1)
        assert weights.version == version
        for name, tensor in policy.state_dict().items():
            assert weights.tensors[name].is_cuda and torch.equal(weights.tensors[name].cpu(), tensor)
