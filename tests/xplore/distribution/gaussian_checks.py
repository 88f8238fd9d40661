"""Checks of a Gaussian in the units of its bounds, against torch.distributions in float64."""

import math

import numpy as np
import torch
from torch import distributions as oracle

from hsuanwu.common.spaces import Box
from hsuanwu.xplore.distribution import DiagonalGaussian

T, B = 5, 3
INF = math.inf
LOW = np.array([[-1, 0, 100, -200], [-1e-3, 1e6, -INF, 5]], np.float32)
HIGH = np.array([[1, 1, 200, 200], [1e-3, 1.1e6, INF, INF]], np.float32)
CENTER = torch.tensor([[0, 0.5, 150, 0], [0, 1.05e6, 0, 5]]).double()
HALF = torch.tensor([[1, 0.5, 50, 200], [1e-3, 5e4, 1, 1]]).double()
SPACE = Box(LOW, HIGH, LOW.shape)


def params_of(seed):
    return 0.7 * torch.randn(T, B, 2 * HALF.numel(), generator=torch.Generator().manual_seed(seed))


def make_oracle(params):
    """Return the slow distribution of the parameters: a Normal in float64, scaled."""
    mean, log_std = (x.reshape(*x.shape[:-1], *HALF.shape) for x in params.double().chunk(2, -1))
    scaled = oracle.TransformedDistribution(oracle.Normal(mean, log_std.exp()), oracle.AffineTransform(CENTER, HALF))
    return oracle.Independent(scaled, HALF.dim())


def check_log_prob():
    params = params_of(1).requires_grad_()
    action = DiagonalGaussian(SPACE).sample(params, torch.Generator().manual_seed(0))
    found = DiagonalGaussian(SPACE).log_prob(params, action)
    slow = params.detach().double().requires_grad_()
    expected = make_oracle(slow).log_prob(action.double())
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-4)
    weights = torch.linspace(-1, 2, T * B).reshape(T, B)
    gradient, slow_gradient = (
        torch.autograd.grad((x * weights).sum(), y)[0] for x, y in ((found, params), (expected, slow))
    )
    torch.testing.assert_close(gradient.double(), slow_gradient, rtol=1e-4, atol=1e-4)


def check_log_prob_of_any_action():
    """Actions that no sample of ours is among: those of the oracle, in float64."""
    torch.manual_seed(0)
    params = params_of(2)
    action = make_oracle(params).sample()
    found = DiagonalGaussian(SPACE).log_prob(params, action)
    torch.testing.assert_close(found.double(), make_oracle(params).log_prob(action), rtol=1e-5, atol=1e-3)


def check_entropy():
    params = params_of(3).requires_grad_()
    found = DiagonalGaussian(SPACE).entropy(params)
    expected = oracle.Normal(0.0, params.detach().double().chunk(2, -1)[1].exp()).entropy().sum(-1)
    expected = expected + HALF.log().sum()  # an affine map adds the logarithm of its slope
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    assert (torch.autograd.grad(found.sum(), params)[0] == torch.tensor([0.0, 1.0]).repeat_interleave(8)).all()


def check_kl():
    params, other = params_of(4), params_of(5)
    normals = [oracle.Independent(oracle.Normal(m, s.exp()), 1) for m, s in (x.chunk(2, -1) for x in (params, other))]
    torch.testing.assert_close(DiagonalGaussian(SPACE).kl(params, other), oracle.kl_divergence(*normals))


def check_moments():
    draws, params = 50_000, params_of(6)[0, 0]
    actions = DiagonalGaussian(SPACE).sample(params.expand(draws, -1), torch.Generator().manual_seed(0)).double()
    mean, std = (x.reshape(HALF.shape).double() for x in params.chunk(2, -1))
    std = std.exp() * HALF
    assert ((actions.mean(0) - (CENTER + HALF * mean)).abs() < 5 * std / draws**0.5).all()
    assert ((actions.std(0) / std - 1).abs() < 5 / (2 * draws) ** 0.5).all()


def check_mode():
    params = params_of(7)
    mean = params.chunk(2, -1)[0].reshape(T, B, *HALF.shape).double()
    torch.testing.assert_close(DiagonalGaussian(SPACE).mode(params), (CENTER + HALF * mean).float())


def check_bounds():
    """A mean of -1 is the lower bound, one of 1 the upper."""
    for mean, bound in ((-1.0, LOW), (1.0, HIGH)):
        found = DiagonalGaussian(SPACE).mode(torch.cat([torch.full((8,), mean), torch.zeros(8)])).numpy()
        is_bounded = np.isfinite(LOW) & np.isfinite(HIGH)
        np.testing.assert_allclose(found[is_bounded], bound[is_bounded], rtol=1e-6)


def check_excess():
    mean = torch.tensor([0.5, -3.0, 1.0, 2.0, -1.5, 1.0, 1e6, -4.0])
    found = DiagonalGaussian(SPACE).excess(torch.cat([mean, torch.ones(8)]))
    # 2 below, 1 above, 0.5 below; nothing is beyond no bounds; 4 below the one bound, which is the center
    torch.testing.assert_close(found, torch.tensor(2.0**2 + 1 + 0.5**2 + 4.0**2))


def check_features():
    params = params_of(8)
    distribution = DiagonalGaussian(SPACE)
    mean = params.chunk(2, -1)[0]
    torch.testing.assert_close(distribution.features(distribution.mode(params)), mean, rtol=1e-5, atol=2e-6)


CHECKS = [
    check_log_prob,
    check_log_prob_of_any_action,
    check_entropy,
    check_kl,
    check_moments,
    check_mode,
    check_bounds,
    check_excess,
    check_features,
]
