"""Every registered distribution keeps the contract, on every space that it fits."""

import numpy as np
import pytest
import torch

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.registry import options
from hsuanwu.common.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete
from hsuanwu.testing.distribution import _check_actions_with_log_probs, check_distribution
from hsuanwu.xplore.distribution import Categorical, Distribution, default_distribution

SPACES = [
    Discrete(2),
    Discrete(1),
    Discrete(5, start=3, dtype=np.int32),
    MultiDiscrete([3, 3]),
    MultiDiscrete([[2, 5, 1], [4, 3, 2]], start=1),
    MultiDiscrete([3, 2], dtype=np.uint8),
    MultiDiscrete(np.asarray(4)),
    MultiBinary((3,)),
    MultiBinary((2, 3)),
    MultiBinary(()),
    Box(-1, 1, (3,)),
    Box([-1, 0, 10], [1, 5, 12], (3,)),
    Box(-2, 2, (2, 3), np.float64),
    Box(0, 1, ()),
    Box([0, -1, 100, 5], [1, 1, 200, 5], (4,)),
    Box(-1e-3, 1e-3, (2,)),
    Box(-np.inf, np.inf, (2,)),
    Box([0, -np.inf, -3e38], [np.inf, -7, 3e38], (3,)),
    Box(0, 255, (2,), np.uint8),
    Box(-1, 1, (0,)),
    Dict({"a": Discrete(2), "b": Box(-1, 1, (2,))}),
]


def fits(name, space):
    try:
        return isinstance(options("distribution")[name](space), Distribution)
    except ConfigurationError:
        return False


@pytest.mark.parametrize("space", SPACES, ids=str)
@pytest.mark.parametrize("name", options("distribution"))
def test_fits_or_refuses(name, space):
    try:
        distribution = options("distribution")[name](space)
    except ConfigurationError as error:
        message = str(error)
        assert message.startswith("distribution: ") and name in message and "action_space" in message
        assert "found" in message and "use " in message and "\n" not in message
        if "use distribution=" in message:
            options("distribution")[message.rpartition("=")[2]](space)  # advice that is not refused next
        return
    check_distribution(distribution)
    check_distribution(options("distribution")[name](space.to_dict()))


def others(distribution, params, generator):
    action = distribution.sample(params, generator).roll(1, -1)
    return action, distribution.log_prob(params, action).detach()


def wrong_log_probs(distribution, params, generator):
    action = distribution.sample(params, generator)
    return action, distribution.log_prob(params, action).detach() + 1e-4


def with_gradient(distribution, params, generator):
    action = distribution.sample(params, generator)
    return action, distribution.log_prob(params, action)


def of_another_generator(distribution, params, generator):
    action = distribution.sample(params)
    return action, distribution.log_prob(params, action).detach()


@pytest.mark.parametrize("sample_with_log_prob", [others, wrong_log_probs, with_gradient, of_another_generator])
def test_draws_with_wrong_log_probabilities_are_noticed(sample_with_log_prob):
    class Wrong(Categorical):
        def sample_with_log_prob(self, params, generator=None):
            return sample_with_log_prob(self, params, generator)

    with pytest.raises(AssertionError):
        _check_actions_with_log_probs(Wrong(Discrete(5)), torch.randn(3, 2, 5), seed=0)


@pytest.mark.parametrize("name", options("distribution"))
def test_every_distribution_fits_something(name):
    assert any(fits(name, space) for space in SPACES)


@pytest.mark.parametrize("name", options("distribution"))
def test_results_live_where_the_parameters_do(name):
    (space, *_) = [
        x for x in (Discrete(3), MultiDiscrete([2, 3]), MultiBinary((2,)), Box(-1, 1, (2,))) if fits(name, x)
    ]
    distribution = options("distribution")[name](space)
    params = torch.zeros(4, distribution.num_params, device="meta")
    action = distribution.sample(params)
    results = (distribution.log_prob(params, action), distribution.entropy(params), distribution.kl(params, params))
    assert all(x.device.type == "meta" for x in (action, distribution.mode(params), *results))


@pytest.mark.parametrize(
    "space, expected",
    [
        (Discrete(2), "Categorical"),
        (MultiDiscrete([2, 3]), "MultiCategorical"),
        (MultiBinary((2,)), "Bernoulli"),
        (Box(-1, 1, (2,)), "DiagonalGaussian"),
        (Box(-1, 1, ()), "DiagonalGaussian"),
    ],
)
def test_default(space, expected):
    assert type(default_distribution(space)).__name__ == expected
    assert type(default_distribution(space.to_dict())).__name__ == expected
    assert type(default_distribution(space.to_gymnasium())).__name__ == expected


@pytest.mark.parametrize("space", [Dict({"a": Discrete(2)}), Box(0, 9, (2,), np.int64), Box(-1, 1, (0,))], ids=str)
def test_no_default(space):
    with pytest.raises(ConfigurationError, match=r"^(distribution|action_space): .*; use "):
        default_distribution(space)


def test_a_misfit_names_what_fits():
    with pytest.raises(ConfigurationError, match=r"found Box.*use distribution=diagonal_gaussian"):
        options("distribution")["categorical"](Box(-1, 1, (2,)))
    with pytest.raises(ConfigurationError, match=r"found Dict.*; use one Box of floats, Discrete"):
        options("distribution")["categorical"](Dict({"a": Discrete(2)}))
