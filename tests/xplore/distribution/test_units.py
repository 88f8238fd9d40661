"""The units of the bounds: the maths of a Gaussian in them, its mutants, and bounds of every size."""

import numpy as np
import pytest
import torch

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.spaces import Box, Discrete
from hsuanwu.xplore.distribution import Categorical, DiagonalGaussian, SquashedGaussian
from hsuanwu.xplore.distribution.gaussian import normal_entropy, normal_log_prob, normal_sample
from hsuanwu.xplore.distribution.units import BoundUnits
from tests.xplore.distribution.gaussian_checks import CHECKS, INF


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_maths(check):
    check()


def wrong(cls, name, change):
    """Return a fault that replaces a method of a class by ``change(right, self, *arguments)``."""

    def apply(monkeypatch):
        right = getattr(cls, name)
        monkeypatch.setattr(cls, name, lambda self, *arguments: change(right, self, *arguments))

    return apply


def after_init(change):
    def init(right, self, space):
        right(self, space)
        change(self)

    return wrong(BoundUnits, "__init__", init)


def volume(factor):
    return after_init(lambda self: setattr(self, "log_volume", factor * self.log_volume))


MUTANTS = {
    "density in the wrong units": volume(0),
    "volume upside down": volume(-1),
    "width for half the width in the volume": volume(1.5),
    "center forgotten on the way out": wrong(
        BoundUnits, "to_environment", lambda right, self, u: right(self, u) - self._center.on(u.device)
    ),
    "half forgotten on the way out": wrong(
        BoundUnits, "to_environment", lambda right, self, u: u + self._center.on(u.device)
    ),
    "low for center on the way out": wrong(
        BoundUnits, "to_environment", lambda right, self, u: right(self, u) - self._half.on(u.device)
    ),
    "width for half on the way out": wrong(BoundUnits, "to_environment", lambda right, self, u: right(self, 2 * u)),
    "center forgotten on the way in": wrong(
        BoundUnits, "from_environment", lambda right, self, a: right(self, a + self._center.on(a.device))
    ),
    "half forgotten on the way in": wrong(
        BoundUnits, "from_environment", lambda right, self, a: right(self, a) * self._half.on(a.device)
    ),
    "sign lost on the way out": wrong(BoundUnits, "to_environment", lambda right, self, u: right(self, -u)),
    "clipped to the bounds": wrong(BoundUnits, "to_environment", lambda right, self, u: right(self, u.clamp(-1, 1))),
    "excess from -1 and 1 without bounds": wrong(
        BoundUnits, "excess", lambda right, self, u: (u - u.clamp(-1, 1)).square().sum(-1)
    ),
    "excess in the environment's units": wrong(
        BoundUnits, "excess", lambda right, self, u: right(self, self.to_environment(u))
    ),
    "log_prob without the volume": wrong(
        DiagonalGaussian, "_log_prob", lambda right, self, p, a: right(self, p, a) + self._log_volume
    ),
    "entropy without the volume": wrong(
        DiagonalGaussian, "entropy", lambda right, self, p: right(self, p) - self._log_volume
    ),
    "kl with the volume": wrong(DiagonalGaussian, "kl", lambda right, self, p, q: right(self, p, q) + self._log_volume),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_every_mutant_is_noticed(mutant, monkeypatch):
    MUTANTS[mutant](monkeypatch)
    caught = []
    for check in CHECKS:
        try:
            check()
        except AssertionError:
            caught.append(check)
    assert caught


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_from_minus_one_to_one_nothing_changes_to_the_bit(dtype):
    space = Box(-1, 1, (2, 2), dtype)
    found, unscaled = DiagonalGaussian(space), DiagonalGaussian(space, units="environment")
    params = 3 * torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    mean, log_std = params.chunk(2, -1)
    log_std = log_std.clamp(max=2)
    action = found.sample(params, torch.Generator().manual_seed(1))
    drawn = normal_sample(mean, log_std, torch.Generator().manual_seed(1))
    assert torch.equal(action.flatten(1), drawn.to(action.dtype))
    for distribution in (found, unscaled):
        assert torch.equal(distribution.sample(params, torch.Generator().manual_seed(1)), action)
        assert torch.equal(distribution.mode(params).flatten(1), mean.to(action.dtype))
        assert torch.equal(distribution.log_prob(params, action), normal_log_prob(mean, log_std, drawn).sum(-1))
        assert torch.equal(distribution.entropy(params), normal_entropy(log_std).sum(-1))
        assert torch.equal(distribution.excess(params), (mean - mean.clamp(-1, 1)).square().sum(-1))
        assert torch.equal(distribution.features(action), action.flatten(1).float())


def test_the_environments_units_can_be_had():
    distribution = DiagonalGaussian(Box([-1, 100], [1, 200], (2,)), units="environment")
    params = torch.tensor([0.5, -3.0, 0.0, 1.0])
    assert distribution.mode(params).tolist() == [0.5, -3.0]
    assert distribution.features(torch.tensor([0.5, -3.0])).tolist() == [0.5, -3.0]
    normal = torch.distributions.Normal(params[:2], params[2:].exp())
    action = torch.tensor([0.0, 4.0])
    torch.testing.assert_close(distribution.log_prob(params, action), normal.log_prob(action).sum())
    torch.testing.assert_close(distribution.entropy(params), normal.entropy().sum())
    # in halves of the distance between the bounds: 103 below the lower one, half a distance is 50
    torch.testing.assert_close(distribution.excess(params), torch.tensor(2.06**2))


def test_units_of_another_name_are_refused():
    with pytest.raises(
        ConfigurationError, match=r"^distribution.units: found 'meters'; use 'bounds' or 'environment'$"
    ):
        DiagonalGaussian(Box(-1, 1, (2,)), units="meters")


SIZES = {
    "far": (100, 200, np.float32),
    "wide": (-200, 200, np.float32),
    "narrow": (-1e-3, 1e-3, np.float32),
    "tiny": (0, 1e-37, np.float32),
    "far and narrow": (1e6, 1e6 + 10, np.float32),
    "enormous": (-1e29, 1e29, np.float32),
    "half": (0, 4, np.float16),
    "double, far and narrow": (1e9, 1e9 + 1, np.float64),
    "double, tiny": (0, 1e-300, np.float64),
}


@pytest.mark.parametrize("low, high, dtype", SIZES.values(), ids=SIZES)
def test_bounds_of_any_size(low, high, dtype):
    distribution = DiagonalGaussian(Box(low, high, (1,), dtype))
    params = torch.tensor([0.25, -1.0]).expand(4000, 2)
    action = distribution.sample(params, torch.Generator().manual_seed(0))
    assert action.isfinite().all()
    u = (action.double() - (np.float64(low) + high) / 2) / (np.float64(high) / 2 - np.float64(low) / 2)
    assert abs(float(u.mean()) - 0.25) < 0.05 and abs(float(u.std()) / np.exp(-1) - 1) < 0.1
    expected = torch.distributions.Normal(0.25, np.exp(-1)).log_prob(u).sum(-1) - np.log(high / 2 - low / 2)
    torch.testing.assert_close(distribution.log_prob(params, action).double(), expected, rtol=1e-4, atol=1e-3)


NONE = {
    "no bounds": (-INF, INF, 0),
    "as wide as float32": (-3e38, 3e38, 0),
    "of float32 itself": (np.finfo(np.float32).min, np.finfo(np.float32).max, 0),
    "no upper bound": (0, INF, 0),
    "no upper bound, far": (100, INF, 100),
    "no lower bound": (-INF, -5, -5),
    "no room": (3, 3, 3),
    "no room that can be divided by": (0, 1e-44, 0),
}


@pytest.mark.parametrize("low, high, center", NONE.values(), ids=NONE)
def test_without_bounds_it_is_the_environments_unit_near_0(low, high, center):
    distribution = DiagonalGaussian(Box(low, high, (1,)))
    mean = torch.tensor([[-1.5], [0.0], [2.0]])
    params = torch.cat([mean, torch.zeros(3, 1)], -1)
    assert torch.equal(distribution.mode(params), center + mean)
    torch.testing.assert_close(
        distribution.log_prob(params, center + mean), normal_log_prob(mean, mean * 0, mean)[:, 0]
    )
    outside = mean + center - (mean + center).clamp(np.float32(low), np.float32(high))
    torch.testing.assert_close(distribution.excess(params), outside.square().sum(-1))
    assert distribution.entropy(params).isfinite().all()


def test_bounds_that_float32_cannot_hold():
    for low, high in ((-1e300, 1e300), (-1.7e308, 1.7e308)):
        distribution = DiagonalGaussian(Box(low, high, (1,), np.float64))
        assert distribution.mode(torch.tensor([0.5, 0.0])) == 0.5
        assert distribution.excess(torch.tensor([1e9, 0.0])) == 0


def test_what_a_network_reads_of_an_action():
    action = torch.tensor([[100.0, 1.0], [175.0, -1.0]])
    for family in (DiagonalGaussian, SquashedGaussian):
        found = family(Box([100, -1], [200, 1], (2,))).features(action)
        assert found.tolist() == [[-1.0, 1.0], [0.5, -1.0]]
    assert Categorical(Discrete(3, start=5)).features(torch.tensor([2, 0])).tolist() == [[0, 0, 1], [1, 0, 0]]
