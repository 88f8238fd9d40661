"""DiagonalGaussian and SquashedGaussian against torch.distributions in float64, integrals and draws."""

import math

import numpy as np
import pytest
import torch
from torch import distributions as oracle

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.spaces import Box
from hsuanwu.xplore.distribution import DiagonalGaussian, SquashedGaussian

T, B = 5, 3
LOW, HIGH = torch.tensor([[-1.0, 0.0], [-3.0, 10.0]]), torch.tensor([[1.0, 4.0], [-2.0, 30.0]])
SPACE = Box(LOW.numpy(), HIGH.numpy(), (2, 2))
BOTH = pytest.mark.parametrize("family", [DiagonalGaussian, SquashedGaussian])


def params_of(seed, scale=0.7):
    return scale * torch.randn(T, B, 8, generator=torch.Generator().manual_seed(seed))


def make_oracle(family, params):
    mean, log_std = (x.reshape(T, B, 2, 2) for x in params.chunk(2, -1))
    normal = oracle.Normal(mean, log_std.exp())
    low, high = LOW.double(), HIGH.double()
    scale = oracle.AffineTransform((high + low) / 2, (high - low) / 2)
    transforms = [scale] if family is DiagonalGaussian else [oracle.TanhTransform(), scale]
    return oracle.Independent(oracle.TransformedDistribution(normal, transforms), 2)


def assert_same_gradient(found, params, expected, oracle_params):
    weights = torch.linspace(-1, 2, T * B).reshape(T, B)
    gradient = torch.autograd.grad((found * weights).sum(), params)[0]
    oracle_gradient = torch.autograd.grad((expected * weights).sum(), oracle_params)[0]
    torch.testing.assert_close(gradient.double(), oracle_gradient, rtol=1e-4, atol=1e-4)


@BOTH
def test_log_prob(family):
    distribution, params = family(SPACE), params_of(1).requires_grad_()
    action = distribution.sample(params, torch.Generator().manual_seed(0))
    oracle_params = params.detach().double().requires_grad_()
    found = distribution.log_prob(params, action)
    expected = make_oracle(family, oracle_params).log_prob(action.double())
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)
    assert_same_gradient(found, params, expected, oracle_params)


@BOTH
def test_kl(family):
    distribution, params, other = family(SPACE), params_of(1).requires_grad_(), params_of(2).requires_grad_()
    slow, slow_other = (x.detach().double().requires_grad_() for x in (params, other))
    found = distribution.kl(params, other)
    normals = [oracle.Normal(x[..., :4], x[..., 4:].exp()) for x in (slow, slow_other)]
    expected = oracle.kl_divergence(*normals).sum(-1)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    for x, slow_x in ((params, slow), (other, slow_other)):
        gradient = torch.autograd.grad(found.sum(), x, retain_graph=True)[0]
        slow_gradient = torch.autograd.grad(expected.sum(), slow_x, retain_graph=True)[0]
        torch.testing.assert_close(gradient.double(), slow_gradient, rtol=1e-4, atol=1e-4)
    assert (distribution.kl(params, params) == 0).all()


def test_diagonal_moments():
    draws, params = 100_000, torch.tensor([3.0, -1.0, math.log(0.5), math.log(2.0)])
    actions = DiagonalGaussian(Box(-1, 1, (2,))).sample(params.expand(draws, 4), torch.Generator().manual_seed(0))
    mean, std = params[:2], params[2:].exp()
    assert ((actions.mean(0) - mean).abs() < 5 * std / draws**0.5).all(), "and not clipped to the bounds"
    assert ((actions.std(0) / std - 1).abs() < 5 / (2 * draws) ** 0.5).all()
    assert abs(float(torch.corrcoef(actions.T)[0, 1])) < 5 / draws**0.5


def test_squashed_draws():
    draws, mean, std = 100_000, 0.4, 0.8
    params = torch.tensor([mean, math.log(std)]).expand(draws, 2)
    actions = SquashedGaussian(Box(10, 14, (1,))).sample(params, torch.Generator().manual_seed(0))
    assert ((actions > 10) & (actions < 14)).all()
    u = torch.atanh((actions.double() - 12) / 2)
    assert abs(float(u.mean()) - mean) < 5 * std / draws**0.5
    assert abs(float(u.std()) / std - 1) < 5 / (2 * draws) ** 0.5


@pytest.mark.parametrize("mean, log_std", [(0.0, 0.0), (1.0, -1.0), (-2.0, 0.5), (0.3, -3.0)])
def test_squashed_density_integrates_to_one(mean, log_std):
    grid = torch.linspace(0, 1, 400_001, dtype=torch.float64)[1:-1]
    actions = (3 + 4 * grid).unsqueeze(-1)
    params = torch.tensor([mean, log_std]).expand(len(grid), 2)
    density = SquashedGaussian(Box(3, 7, (1,))).log_prob(params, actions).double().exp()
    assert float(density.sum() * 4 / 400_000) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("log_std, error", [(-20, 1e-5), (-3, 1e-5), (0, 1e-5), (math.log(2), 2e-5), (2, 0.025)])
@pytest.mark.parametrize("mean", [0.0, 0.7, -3.0, 8.0])
def test_squashed_entropy(mean, log_std, error):
    std, width = math.exp(log_std), 4.0
    z = np.linspace(-12, 12, 200_001)
    u = mean + std * z
    log_slope = math.log(width / 2) + 2 * (math.log(2) - np.abs(u) - np.log1p(np.exp(-2 * np.abs(u))))
    weights = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    expected = 0.5 * math.log(2 * math.pi * math.e) + log_std + (weights * log_slope).sum()
    params = torch.tensor([mean, log_std], requires_grad=True)
    entropy = SquashedGaussian(Box(3, 7, (1,))).entropy(params)
    assert entropy.item() == pytest.approx(expected, abs=error, rel=1e-6)
    # d/dmean E[log |da/du|] = E[-2 tanh u], d/dlog_std = 1 + E[-2 tanh(u) z std]
    gradient = torch.autograd.grad(entropy, params)[0]
    slope = weights * -2 * np.tanh(u)
    assert gradient[0].item() == pytest.approx(slope.sum(), abs=max(1e-5, 3 * error))
    assert gradient[1].item() == pytest.approx(1 + (slope * z * std).sum(), abs=max(1e-4, 10 * error))


@BOTH
@pytest.mark.parametrize("mean", [0.0, 1e4, -1e4, 1e8, -1e8])
@pytest.mark.parametrize("log_std", [-1e8, -20.0, 0.0, 2.0, 1e8])
def test_extremes(family, mean, log_std):
    distribution = family(Box(-2, 1, (1,)))
    params = torch.tensor([mean, log_std]).expand(50, 2).clone().requires_grad_()
    action = distribution.sample(params, torch.Generator().manual_seed(0))
    if family is SquashedGaussian:
        assert ((action > -2) & (action < 1)).all()
    other = torch.tensor([1.0, 0.0]).expand(50, 2)
    results = (
        distribution.log_prob(params, action),
        distribution.log_prob(params, distribution.mode(params)),
        distribution.entropy(params),
        distribution.kl(params, other),
        distribution.kl(params, params * 1.0),
    )
    for result in results:
        assert result.isfinite().all()
        assert torch.autograd.grad(result.sum(), params, retain_graph=True)[0].isfinite().all()


@pytest.mark.parametrize("bound", [-2.0, 1.0, -5.0, 7.0])
def test_squashed_at_and_beyond_the_bounds(bound):
    distribution = SquashedGaussian(Box(-2, 1, (1,)))
    params = torch.zeros(1, 2, requires_grad=True)
    log_prob = distribution.log_prob(params, torch.full((1, 1), bound))
    assert log_prob.isfinite().all()
    assert torch.autograd.grad(log_prob.sum(), params)[0].isfinite().all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_squashed_actor_and_learner_agree(dtype):
    distribution = SquashedGaussian(Box(-1, 1, (2,), dtype))
    params = torch.randn(T, B, 4, generator=torch.Generator().manual_seed(0)) * 5
    action = distribution.sample(params, torch.Generator().manual_seed(0))
    stored = action.clone()
    assert torch.equal(distribution.log_prob(params, action), distribution.log_prob(params, stored.double()))


def test_modes():
    params = torch.tensor([0.0, 1.0, 0.0, 0.0])
    assert DiagonalGaussian(Box([0, -1], [8, 1], (2,))).mode(params).tolist() == [4, 1]
    mode = SquashedGaussian(Box([0, -1], [8, 1], (2,))).mode(params)
    torch.testing.assert_close(mode, torch.tensor([4.0, math.tanh(1)]))


def test_scalar_actions():
    distribution = DiagonalGaussian(Box(-1, 1, ()))
    params = torch.zeros(T, B, 2)
    action = torch.linspace(-1, 1, T * B).reshape(T, B)
    torch.testing.assert_close(distribution.log_prob(params, action), oracle.Normal(0.0, 1.0).log_prob(action))
    assert distribution.sample(params).shape == (T, B)


@BOTH
def test_heads(family):
    features = torch.randn(T, B, 7)
    head = family(SPACE, init_log_std=-0.5).head(7)
    params = head(features)
    assert params.shape == (T, B, 8)
    assert (params[..., 4:] == -0.5).all()
    assert isinstance(head.log_std, torch.nn.Parameter)
    assert [tuple(p.shape) for p in head.parameters()] == [(4,), (4, 7), (4,)]

    head = family(SPACE, init_log_std=-0.5, state_dependent_std=True).head(7)
    params = head(features)
    assert params.shape == (T, B, 8)
    assert params[..., 4:].unique().numel() > 4
    torch.testing.assert_close(head(torch.zeros(7))[4:], head.log_std.bias)
    assert (head.log_std.bias + 0.5).abs().max() <= 7**-0.5


@BOTH
def test_limits_of_log_std(family):
    distribution = family(SPACE, min_log_std=-1.0, max_log_std=0.5)
    params = torch.zeros(2, 8)
    params[0, 4:], params[1, 4:] = -3.0, 2.0
    clamped = torch.zeros(2, 8)
    clamped[0, 4:], clamped[1, 4:] = -1.0, 0.5
    torch.testing.assert_close(distribution.entropy(params), distribution.entropy(clamped))
    action = distribution.sample(params, torch.Generator().manual_seed(0))
    assert torch.equal(action, distribution.sample(clamped, torch.Generator().manual_seed(0)))
    assert torch.equal(distribution.log_prob(params, action), distribution.log_prob(clamped, action))
    assert (distribution.kl(params, clamped) == 0).all()
    with pytest.raises(ConfigurationError, match=r"distribution.init_log_std: found 1.0; use .* -1.0 .* 0.5$"):
        family(SPACE, init_log_std=1.0, min_log_std=-1.0, max_log_std=0.5)
    with pytest.raises(ConfigurationError, match=r"distribution.min_log_std: found 1.0; use .* up to max_log_std 0.5$"):
        family(SPACE, min_log_std=1.0, max_log_std=0.5)


@BOTH
@pytest.mark.parametrize("name", ["init_log_std", "min_log_std", "max_log_std"])
def test_the_one_that_is_no_number_is_named(family, name):
    with pytest.raises(ConfigurationError, match=rf"^distribution.{name}: found nan; use a number$"):
        family(SPACE, **{name: np.nan})


@pytest.mark.parametrize(
    "low, high",
    [(-np.inf, np.inf), (-1, np.inf), (1, 1), ([0, -1], [1, -1]), (-3e38, 3e38)],
)
def test_squashed_refuses_bounds(low, high):
    with pytest.raises(ConfigurationError, match=r"^distribution: squashed_gaussian .*bounds.*; use "):
        SquashedGaussian(Box(low, high, (2,)))


@pytest.mark.parametrize("units", ["bounds", "environment"])
def test_diagonal_excess_is_the_distance_from_the_bounds(units):
    distribution = DiagonalGaussian(SPACE, units=units)
    mean = torch.tensor([[0.5, 0.0, -2.5, 30.0], [-2.0, 0.0, -2.5, 30.0], [0.5, 8.0, -2.5, 45.0]])
    is_outside = (mean - mean.clamp(LOW.flatten(), HIGH.flatten())).sign()
    if units == "bounds":
        mean = (mean - (HIGH + LOW).flatten() / 2) / ((HIGH - LOW).flatten() / 2)
    params = torch.cat([mean, torch.ones(3, 4)], -1).requires_grad_()
    found = distribution.excess(params)
    # in halves of the distances between the bounds, 2, 4, 1 and 20: 1 below; 4 above, and 15 above
    torch.testing.assert_close(found, torch.tensor([0.0, 1.0, 2.0**2 + 1.5**2]))
    gradient = torch.autograd.grad(found.sum(), params)[0]
    assert (gradient.sign()[:, :4] == is_outside).all()
    assert not gradient[:, 4:].any()


def test_without_bounds_nothing_is_beyond_them():
    space = Box(np.array([-np.inf, 0.0], np.float32), np.array([np.inf, np.inf], np.float32), (2,))
    found = DiagonalGaussian(space).excess(torch.tensor([[1e6, 3.0, 0.0, 0.0], [0.0, -3.0, 0.0, 0.0]]))
    assert found.tolist() == [0.0, 9.0]


def test_squashed_excess_is_how_far_out_the_mean_is_on_the_tanh():
    params = torch.tensor([[1.9, -2.0, 0.0, 0.0, *[9.0] * 4], [4.0, 0.0, -3.0, 0.0, *[0.0] * 4]]).requires_grad_()
    found = SquashedGaussian(SPACE).excess(params)
    assert found.tolist() == [0.0, 5.0]
    assert torch.autograd.grad(found.sum(), params)[0][1].tolist() == [4.0, 0, -2, 0, 0, 0, 0, 0]


@BOTH
def test_an_action_that_is_no_number_is_refused_in_one_line(family):
    distribution, params = family(SPACE), params_of(1)
    action = distribution.sample(params, torch.Generator().manual_seed(0))
    action[3, 1, 0, 1] = math.nan
    with pytest.raises(FloatingPointError, match=r"^action: found nan at \[3, 1, 0, 1\]; use a number$"):
        distribution.log_prob(params, action)


@BOTH
def test_parameters_that_are_no_numbers_are_not_blamed_on_the_action(family):
    distribution, params = family(SPACE), params_of(1)
    params[3, 1, 2] = math.nan
    for action in (distribution.sample(params), distribution.mode(params)):
        log_prob = distribution.log_prob(params, action)
        assert log_prob[3, 1].isnan() and log_prob.isnan().sum() == 1
    action, log_prob = distribution.sample_with_log_prob(params)
    assert action.isnan().any() and log_prob[3, 1].isnan()
