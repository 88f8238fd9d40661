"""Categorical, MultiCategorical and Bernoulli against torch.distributions in float64, and at their extremes."""

import math

import numpy as np
import pytest
import torch
from torch import distributions as oracle

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.spaces import Discrete, MultiBinary, MultiDiscrete
from hsuanwu.xplore.distribution import Bernoulli, Categorical, MultiCategorical, default_distribution
from hsuanwu.xplore.distribution.categorical import _gather_or_nan

T, B = 5, 3
NVEC = [[2, 4], [3, 1]]


def logits_of(distribution, seed=0, scale=2.0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(T, B, distribution.num_params, generator=generator)


class SideBySide:
    """The slow way: one torch distribution for each number."""

    def __init__(self, params, nvec):
        self.shape = np.shape(nvec)
        self.parts = [oracle.Categorical(logits=x) for x in params.split(np.ravel(nvec).tolist(), -1)]

    def log_prob(self, action):
        columns = action.reshape(*action.shape[:2], -1).unbind(-1)
        return sum(part.log_prob(x) for part, x in zip(self.parts, columns, strict=True))

    def entropy(self):
        return sum(part.entropy() for part in self.parts)

    def kl(self, other):
        return sum(oracle.kl_divergence(p, q) for p, q in zip(self.parts, other.parts, strict=True))


class Coins:
    def __init__(self, params):
        self.coins = oracle.Independent(oracle.Bernoulli(logits=params.reshape(T, B, 2, 3)), 2)

    def log_prob(self, action):
        return self.coins.log_prob(action.double())

    def entropy(self):
        return self.coins.entropy()

    def kl(self, other):
        return oracle.kl_divergence(self.coins, other.coins)


CASES = [
    (Categorical(Discrete(4, start=7)), lambda params: SideBySide(params, [4])),
    (MultiCategorical(MultiDiscrete(NVEC)), lambda params: SideBySide(params, NVEC)),
    (MultiCategorical(MultiDiscrete([3, 3], start=[5, -5])), lambda params: SideBySide(params, [3, 3])),
    (Bernoulli(MultiBinary((2, 3))), Coins),
]


@pytest.mark.parametrize("distribution, make_oracle", CASES)
def test_values_and_gradients(distribution, make_oracle):
    params, other = logits_of(distribution, 1), logits_of(distribution, 2)
    action = distribution.sample(params, torch.Generator().manual_seed(0))
    fast = [x.clone().requires_grad_() for x in (params, other)]
    slow = [x.double().requires_grad_() for x in (params, other)]
    p, q = make_oracle(slow[0]), make_oracle(slow[1])
    pairs = [
        (distribution.log_prob(fast[0], action), p.log_prob(action)),
        (distribution.entropy(fast[0]), p.entropy()),
        (distribution.kl(*fast), p.kl(q)),
    ]
    for found, expected in pairs:
        torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)
        weights = torch.linspace(-1, 2, T * B).reshape(T, B)
        found_gradients = torch.autograd.grad((found * weights).sum(), fast, retain_graph=True, allow_unused=True)
        gradients = torch.autograd.grad((expected * weights).sum(), slow, retain_graph=True, allow_unused=True)
        for found_gradient, gradient in zip(found_gradients, gradients, strict=True):
            assert (found_gradient is None) == (gradient is None)
            if gradient is not None:
                torch.testing.assert_close(found_gradient.double(), gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.int8, torch.int32, torch.int64, torch.float32, torch.float64])
@pytest.mark.parametrize("distribution, make_oracle", CASES)
def test_actions_of_any_dtype(distribution, make_oracle, dtype):
    params = logits_of(distribution)
    action = distribution.sample(params, torch.Generator().manual_seed(0))
    torch.testing.assert_close(distribution.log_prob(params, action.to(dtype)), distribution.log_prob(params, action))


def test_categorical_frequencies():
    probs = torch.tensor([0.5, 0.3, 0.15, 0.05])
    draws = 100_000
    actions = Categorical(Discrete(4)).sample(probs.log().expand(draws, 4), torch.Generator().manual_seed(0))
    error = 5 * (probs * (1 - probs) / draws).sqrt()
    assert ((actions.bincount(minlength=4) / draws - probs).abs() < error).all()


@pytest.mark.parametrize("nvec", [NVEC, [3, 3]])
def test_multi_categorical_frequencies(nvec):
    distribution, draws = MultiCategorical(MultiDiscrete(nvec)), 50_000
    logits = torch.randn(distribution.num_params, generator=torch.Generator().manual_seed(3))
    actions = distribution.sample(logits.expand(draws, -1), torch.Generator().manual_seed(0)).reshape(draws, -1)
    for column, part in zip(actions.unbind(-1), logits.split(np.ravel(nvec).tolist()), strict=True):
        probs = part.softmax(0)
        error = 5 * (probs * (1 - probs) / draws).sqrt() + 1e-12
        assert ((column.bincount(minlength=len(part)) / draws - probs).abs() <= error).all()


def test_choices_are_independent():
    draws = 50_000
    for distribution in (MultiCategorical(MultiDiscrete([2, 2])), Bernoulli(MultiBinary((2,)))):
        params = torch.zeros(draws, distribution.num_params)
        actions = distribution.sample(params, torch.Generator().manual_seed(0)).float()
        assert abs(float(torch.corrcoef(actions.T)[0, 1])) < 5 / draws**0.5


def test_bernoulli_frequencies():
    logits, draws = torch.tensor([-2.0, 0.0, 3.0]), 50_000
    actions = Bernoulli(MultiBinary((3,))).sample(logits.expand(draws, 3), torch.Generator().manual_seed(0))
    probs = logits.sigmoid()
    assert ((actions.float().mean(0) - probs).abs() < 5 * (probs * (1 - probs) / draws).sqrt()).all()


def test_modes():
    assert Categorical(Discrete(3)).mode(torch.tensor([0.0, 2.0, 1.0])) == 1
    params = torch.tensor([3.0, 0.0, 0.0, 0.0, 0.0, 9.0, 1.0, 2.0, 0.0, -50.0])
    assert MultiCategorical(MultiDiscrete(NVEC)).mode(params).tolist() == [[0, 3], [1, 0]]
    assert Bernoulli(MultiBinary((2, 2))).mode(torch.tensor([1.0, -1.0, -2.0, 2.0])).tolist() == [[1, 0], [0, 1]]


INF = float("inf")
EXTREMES = [
    [1e4, -1e4, 0.0],
    [1e8, -1e8, 1e8],
    [-1e8, -1e8, -1e8],
    [0.0, -INF, 1.0],
    [-INF, -INF, 3.0],
    [-INF, 1e8, -1e8],
]


@pytest.mark.parametrize("logits", EXTREMES)
@pytest.mark.parametrize("nvec", [[3], [3, 2], [2, 3]])
def test_extreme_logits(logits, nvec):
    distribution = MultiCategorical(MultiDiscrete(nvec))
    rest = [0.0, 1.0] if len(nvec) > 1 else []
    params = torch.tensor(logits + rest if nvec[0] == 3 else rest + logits).expand(200, -1).clone().requires_grad_()
    action = distribution.sample(params, torch.Generator().manual_seed(0))
    log_prob = distribution.log_prob(params, action)
    assert log_prob.isfinite().all(), "what is drawn is possible"
    for result in (1e3 * log_prob, 1e3 * distribution.entropy(params), distribution.kl(params, params * 1.0)):
        assert result.isfinite().all()
        (gradient,) = torch.autograd.grad(result.sum(), params, retain_graph=True)
        assert gradient.isfinite().all()


def test_extreme_categorical_values():
    distribution = Categorical(Discrete(3))
    masked = torch.tensor([0.0, -INF, 0.0])
    torch.testing.assert_close(distribution.entropy(masked), torch.tensor(2.0).log())
    assert distribution.log_prob(masked, torch.tensor(1)) == -INF
    torch.testing.assert_close(
        distribution.log_prob(torch.tensor([1e8, -1e8, 1e8]), torch.tensor(1)), -torch.tensor(2e8)
    )
    assert distribution.kl(masked, torch.zeros(3)) == pytest.approx(np.log(1.5), abs=1e-6)
    assert distribution.kl(torch.zeros(3), masked) == INF
    # a tie of huge logits is still a tie
    actions = distribution.sample(torch.tensor([1e8, -1e8, 1e8]).expand(1000, 3), torch.Generator().manual_seed(0))
    assert set(actions.tolist()) == {0, 2}


@pytest.mark.parametrize("logit", [1e4, -1e4, 1e8, -1e8, -INF])
def test_extreme_coins(logit):
    distribution = Bernoulli(MultiBinary((1,)))
    params = torch.full((100, 1), logit, requires_grad=True)
    action = distribution.sample(params, torch.Generator().manual_seed(0))
    assert (action == (logit > 0)).all() and (distribution.mode(params) == (logit > 0)).all()
    for result in (distribution.log_prob(params, action), distribution.entropy(params)):
        torch.testing.assert_close(result, torch.zeros(100))
        (gradient,) = torch.autograd.grad(1e3 * result.sum(), params)
        assert gradient.isfinite().all()


@pytest.mark.parametrize("distribution, make_oracle", CASES)
def test_rows_must_match(distribution, make_oracle):
    params = logits_of(distribution)
    action = distribution.mode(params)
    with pytest.raises(RuntimeError):
        distribution.log_prob(params, action[:-1])


OUTSIDE = [
    (Discrete(4, start=7), 7, "0 to 3 (they count from 0, whatever the space's start)"),
    (Discrete(4), 4, "0 to 3"),
    (Discrete(4), -1, "0 to 3"),
    (Discrete(4), 1.5, "0 to 3"),
    (Discrete(4), math.nan, "0 to 3"),
    (Discrete(4), 2**40, "0 to 3"),
    (MultiDiscrete([5, 3]), [4, 3], "0 to 2"),
    (MultiDiscrete([5, 3]), [4, -1], "0 to 2"),
    (MultiDiscrete([3, 3]), [2, 3], "0 to 2"),
    (MultiDiscrete([5, 2], start=[1, 0]), [4, 2], "0 to 1 (they count from 0, whatever the space's start)"),
    (MultiBinary((2,)), [0, 2], "0 to 1"),
    (MultiBinary((2,)), [0, -1], "0 to 1"),
    (MultiBinary((2,)), [0, 0.5], "0 to 1"),
]


@pytest.mark.parametrize("space, wrong, right", OUTSIDE, ids=str)
def test_an_action_outside_of_its_space_is_refused_in_one_line(space, wrong, right):
    distribution = default_distribution(space)
    wrong = torch.tensor(wrong)
    action = torch.zeros(T, B, *space.shape, dtype=wrong.dtype)
    action[3, 1] = wrong
    place, value = ([3, 1, 1], wrong[1].item()) if space.shape else ([3, 1], wrong.item())
    with pytest.raises(ConfigurationError) as caught:
        distribution.log_prob(logits_of(distribution), action)
    assert str(caught.value) == f"action: found {value} at {place}; use a whole number from {right}"


def test_on_an_accelerator_an_index_outside_is_nan():
    logits = torch.tensor([[1.0, 2.0], [3.0, 1.0], [0.0, 0.0]])
    found = _gather_or_nan(logits, torch.tensor([[2], [0], [-1]]))
    assert found.isnan().flatten().tolist() == [True, False, True] and found[1] == 3


def test_what_a_network_reads_is_refused_in_the_same_line():
    for space in (Discrete(4), MultiDiscrete([5, 3])):
        action = torch.zeros(T, B, *space.shape, dtype=torch.int64)
        action[2, 0] = 3
        if space.shape:
            action[2, 0, 0] = 0
        if isinstance(space, Discrete):
            action[2, 0] = 4
        with pytest.raises(
            ConfigurationError, match=r"^last_action: found \d at \[2, 0.*\]; use a whole number from 0 to"
        ):
            default_distribution(space).features(action)
