"""Draws by the inverse of the cumulated probabilities: as often as they should be, and never what is forbidden."""

import math

import pytest
import torch

from hsuanwu.common.spaces import Discrete
from hsuanwu.xplore.distribution import Categorical, categorical
from hsuanwu.xplore.distribution.categorical import _log_softmax, index_log_prob, sample_index

DRAWS = 200_000
INF = math.inf
LOGITS = {
    "uniform": [0.0] * 6,
    "two": [0.3, -0.4],
    "steep": [5.0, 3.0, 1.0, -1.0, -3.0],
    "shifted": [1005.0, 1003.0, 1001.0, 1002.0],
    "leading": [-INF, -INF, 0.0, 1.0],
    "trailing": [0.5, 0.0, -INF, -INF],
    "middle": [0.0, -INF, 1.0, -INF, -INF, 0.5],
    "underflow": [-200.0, 0.0, -200.0, 0.0, -200.0],
    "many": [math.sin(i) for i in range(300)],
    "one": [7.0],
}
WORST = {"zero": 0.0, "smallest": 2.0**-24, "below one": 1 - 2.0**-24}
"""The uniform numbers that torch.rand can give are multiples of 2^-24 in [0, 1)."""


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def uniform(monkeypatch):
    """Return a function that decides what the generator gives."""

    def give(value):
        monkeypatch.setattr(categorical.torch, "rand", lambda *shape, **_: torch.full(shape, value))

    return give


@pytest.mark.parametrize("logits", LOGITS.values(), ids=LOGITS)
def test_frequencies(logits):
    logits = torch.tensor(logits)
    index, _ = sample_index(logits.expand(DRAWS, -1), generator())
    counts = index.bincount(minlength=len(logits)).double()
    probs = logits.double().softmax(0)
    assert counts.sum() == DRAWS and len(counts) == len(logits)
    expected = probs * DRAWS
    often = expected > 5
    assert (counts[~often] <= 20).all() and not counts[probs == 0].any()
    chi_square = ((counts - expected)[often].square() / expected[often]).sum()
    freedom = int(often.sum()) - 1
    # its mean is the degrees of freedom, its variance twice that
    assert chi_square <= freedom + 5 * math.sqrt(2 * freedom) + 1e-9


def test_the_bound_of_the_frequencies_can_fail():
    """Probabilities that are 5 % off are noticed."""
    probs = torch.tensor([0.25, 0.75]).double()
    index, _ = sample_index(torch.log(probs * torch.tensor([1.05, 1])).float().expand(DRAWS, -1), generator())
    counts = index.bincount().double()
    assert ((counts - probs * DRAWS).square() / (probs * DRAWS)).sum() > 1 + 5 * math.sqrt(2)


@pytest.mark.parametrize("value", WORST.values(), ids=WORST)
@pytest.mark.parametrize("logits", LOGITS.values(), ids=LOGITS)
def test_what_has_no_probability_is_never_drawn(uniform, logits, value):
    uniform(value)
    logits = torch.tensor(logits)
    index, log_prob = sample_index(logits, None)
    possible = logits.softmax(0) > 0
    assert possible[index]
    assert log_prob.isfinite()
    first, last = possible.nonzero().flatten()[[0, -1]].tolist()
    if value == 0:
        assert index == first
    if value == WORST["below one"] and logits[last] > logits.max() - 10:
        assert index == last


@pytest.mark.parametrize("value", WORST.values(), ids=WORST)
def test_forbidden_actions_wherever_they_stand_and_however_sums_round(uniform, value):
    uniform(value)
    x = generator(1)
    logits = 5 * torch.randn(20_000, 9, generator=x)
    forbidden = torch.randint(0, 2, logits.shape, generator=x, dtype=torch.bool)
    forbidden[torch.arange(20_000), torch.randint(0, 9, (20_000,), generator=x)] = False
    index, log_prob = sample_index(logits.masked_fill(forbidden, -INF), None)
    assert not forbidden.gather(-1, index.unsqueeze(-1)).any()
    assert log_prob.isfinite().all()


@pytest.mark.parametrize("logits", [[math.nan] * 3, [0.0, math.nan, 1.0], [INF, 0.0, 1.0], [-INF] * 3], ids=str)
def test_what_is_no_distribution_does_not_crash(logits):
    index, log_prob = sample_index(torch.tensor([logits, [0.0, 0.0, 9.0]]), generator())
    assert 0 <= index[0] < 3 and log_prob[0].isnan()
    assert index[1] == 2 and log_prob[1].isfinite(), "other rows are drawn as ever"


@pytest.mark.parametrize("shape", [(), (4,), (3, 2), (0,), (2, 0, 3)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_log_probabilities_are_those_of_the_index(shape, dtype):
    logits = (3 * torch.randn(*shape, 5, generator=generator())).to(dtype)
    index, log_prob = sample_index(logits, generator())
    assert index.shape == log_prob.shape == shape
    assert (index.dtype, log_prob.dtype) == (torch.int64, torch.float32)
    assert torch.equal(log_prob, index_log_prob(logits, index))


def test_rows_are_drawn_one_by_one():
    """Equal logits, different draws; and a row takes one number of the generator, whatever its size."""
    index, _ = sample_index(torch.zeros(100, 50), generator())
    assert len(index.unique()) > 20
    uniforms = torch.rand(100, generator=generator())
    assert torch.equal(index, (uniforms * 50).long())


def test_categorical_draws_with_them():
    distribution = Categorical(Discrete(5))
    logits = torch.randn(20, 3, 5, generator=generator(), requires_grad=True)
    action, log_prob = distribution.sample_with_log_prob(logits, generator(1))
    assert torch.equal(action, distribution.sample(logits, generator(1)))
    assert torch.equal(log_prob, distribution.log_prob(logits, action).detach())
    assert not log_prob.requires_grad


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(7,), (4, 7), (2, 3, 7), (2, 3, 1), (2, 1, 3, 2), (0, 7)], ids=str)
def test_log_softmax(shape, dtype):
    x = (4 * torch.randn(shape, generator=generator())).to(dtype)
    weights = torch.randn(shape, generator=generator(1))
    found_x, expected_x = x.clone().requires_grad_(), x.clone().requires_grad_()
    found, expected = _log_softmax(found_x), torch.log_softmax(expected_x.float(), -1)
    assert found.dtype == torch.float32 and found.shape == shape
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(found_x.grad, expected_x.grad, rtol=1e-5, atol=1e-6)


def test_log_softmax_of_forbidden_and_huge_logits():
    x = torch.tensor([[0.0, -INF, 1.0], [1e8, -1e8, 1e8], [-INF, -INF, 3.0]])
    torch.testing.assert_close(_log_softmax(x), torch.log_softmax(x, -1))
