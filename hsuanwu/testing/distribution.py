"""What every distribution keeps."""

from __future__ import annotations

import copy
import pickle

import torch
from torch import Tensor

from hsuanwu.ops.features import num_features
from hsuanwu.xplore.distribution.base import Distribution

_ROWS = (3, 2)
_DRAWS = 4096


def check_distribution(distribution: Distribution, seed: int = 0) -> None:
    """Assert that a distribution keeps the contract of distributions.

    Actions have the shape and dtype of the space, and come from the given generator alone; log-probabilities,
    entropies and divergences are float32, finite, differentiable, and row by row; they agree with what is drawn.
    To draw with log-probabilities is to draw, and to ask for them afterwards.

    Args:
        distribution: any distribution.
        seed: of the random parameters and actions.
    """
    generator = torch.Generator().manual_seed(seed)
    params = torch.randn(*_ROWS, distribution.num_params, generator=generator)
    other_params = torch.randn(*_ROWS, distribution.num_params, generator=generator)
    _check_head(distribution, generator)
    _check_actions(distribution, params, seed)
    _check_actions_with_log_probs(distribution, params, seed)
    _check_results(distribution, params, other_params, generator)
    _check_features(distribution, params, generator)
    _check_rows(distribution, params, other_params, generator)
    _check_dtypes(distribution, params, other_params, generator)
    _check_means(distribution, params, other_params, generator)
    twin = pickle.loads(pickle.dumps(copy.deepcopy(distribution)))
    assert torch.equal(twin.entropy(params), distribution.entropy(params)), "a copy has another entropy"


def _check_head(distribution: Distribution, generator: torch.Generator) -> None:
    head = copy.deepcopy(distribution.head(7))
    params = head(torch.randn(*_ROWS, 7, generator=generator))
    assert params.shape == (*_ROWS, distribution.num_params), f"params have shape {tuple(params.shape)}"
    params.square().sum().backward()
    assert all(p.grad is not None for p in head.parameters()), "a parameter of the head has no gradient"
    first, second = distribution.head(7), distribution.head(7)
    assert {p.data_ptr() for p in first.parameters()}.isdisjoint(p.data_ptr() for p in second.parameters())


def _check_actions(distribution: Distribution, params: Tensor, seed: int) -> None:
    spec = distribution.action_space.tensor_spec()
    state = torch.get_rng_state()
    for leading in (params, params[0], params[0, 0], params[:0]):
        leading = leading.clone().requires_grad_()
        for action in (distribution.mode(leading), _draw(distribution, leading, seed)):
            assert action.shape == (*leading.shape[:-1], *spec.shape), f"actions have shape {tuple(action.shape)}"
            assert action.dtype == spec.dtype, f"actions are {action.dtype}, the space is {spec.dtype}"
        assert not action.requires_grad, "gradients flow through a sample"
        assert torch.equal(action, _draw(distribution, leading, seed)), "one seed, two samples"
    assert torch.equal(state, torch.get_rng_state()), "a sample touched the global generator"


def _check_actions_with_log_probs(distribution: Distribution, params: Tensor, seed: int) -> None:
    state = torch.get_rng_state()
    for leading in (params, params[0], params[0, 0], params[:0]):
        leading = leading.clone().requires_grad_()
        generator = torch.Generator().manual_seed(seed)
        action, log_prob = distribution.sample_with_log_prob(leading, generator)
        expected = _draw(distribution, leading, seed)
        assert action.dtype == expected.dtype, f"actions drawn with log-probabilities are {action.dtype}"
        assert torch.equal(action, expected), "actions drawn with log-probabilities are others than those drawn without"
        assert not action.requires_grad and not log_prob.requires_grad, "gradients flow through a sample"
        torch.testing.assert_close(
            log_prob, distribution.log_prob(leading, action).detach(), rtol=1e-6, atol=1e-6,
            msg=lambda text: f"log-probabilities drawn with actions differ from log_prob: {text}",
        )  # fmt: skip
    assert torch.equal(state, torch.get_rng_state()), "a sample touched the global generator"


def _check_results(
    distribution: Distribution, params: Tensor, other_params: Tensor, generator: torch.Generator
) -> None:
    params, other_params = params.clone().requires_grad_(), other_params.clone().requires_grad_()
    action = distribution.sample(params, generator)
    results = {
        "log_prob": (distribution.log_prob(params, action), [params]),
        "entropy": (distribution.entropy(params), [params]),
        "kl": (distribution.kl(params, other_params), [params, other_params]),
    }
    if (excess := distribution.excess(params)).requires_grad:
        results["excess"] = excess, [params]
    assert (excess.shape, excess.dtype) == (_ROWS, torch.float32), f"excess is {excess.dtype} {tuple(excess.shape)}"
    assert (excess >= 0).all(), "a squared distance is negative"
    for name, (result, inputs) in results.items():
        assert result.shape == _ROWS, f"{name} has shape {tuple(result.shape)}"
        assert result.dtype == torch.float32, f"{name} is {result.dtype}"
        assert result.isfinite().all(), f"{name} is not finite"
        for gradient in torch.autograd.grad(result.sum(), inputs):
            assert gradient.isfinite().all(), f"the gradient of {name} is not finite"
    assert (results["kl"][0] >= 0).all(), "a divergence is negative"
    same = distribution.kl(params, params.detach().clone())
    torch.testing.assert_close(same, torch.zeros(_ROWS), rtol=0, atol=1e-6, msg="kl(p, p) is not 0")


def _check_features(distribution: Distribution, params: Tensor, generator: torch.Generator) -> None:
    action = distribution.sample(params, generator)
    features = distribution.features(action)
    assert features.shape == (*_ROWS, num_features(distribution.action_space)), f"features have {tuple(features.shape)}"
    assert features.dtype == torch.float32 and features.isfinite().all(), "features are not finite float32"
    torch.testing.assert_close(distribution.features(action[1, 1]), features[1, 1])


def _check_rows(distribution: Distribution, params: Tensor, other_params: Tensor, generator: torch.Generator) -> None:
    action = distribution.sample(params, generator)
    log_prob, entropy = distribution.log_prob(params, action), distribution.entropy(params)
    kl, mode = distribution.kl(params, other_params), distribution.mode(params)
    excess = distribution.excess(params)
    for t in range(_ROWS[0]):
        for b in range(_ROWS[1]):
            row, other_row = params[t, b], other_params[t, b]
            torch.testing.assert_close(distribution.log_prob(row, action[t, b]), log_prob[t, b])
            torch.testing.assert_close(distribution.entropy(row), entropy[t, b])
            torch.testing.assert_close(distribution.kl(row, other_row), kl[t, b])
            torch.testing.assert_close(distribution.mode(row), mode[t, b])
            torch.testing.assert_close(distribution.excess(row), excess[t, b])


def _check_dtypes(distribution: Distribution, params: Tensor, other_params: Tensor, generator: torch.Generator) -> None:
    action = distribution.sample(params, generator)
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        cast, other_cast = params.to(dtype), other_params.to(dtype)
        exact, other_exact = cast.float(), other_cast.float()
        pairs = [
            (distribution.log_prob(cast, action), distribution.log_prob(exact, action)),
            (distribution.entropy(cast), distribution.entropy(exact)),
            (distribution.kl(cast, other_cast), distribution.kl(exact, other_exact)),
            (_draw(distribution, cast, 0), _draw(distribution, exact, 0)),
            (distribution.mode(cast), distribution.mode(exact)),
            (distribution.excess(cast), distribution.excess(exact)),
        ]
        for found, expected in pairs:
            torch.testing.assert_close(found, expected)
    torch.testing.assert_close(distribution.log_prob(params, action.double()), distribution.log_prob(params, action))


def _check_means(distribution: Distribution, params: Tensor, other_params: Tensor, generator: torch.Generator) -> None:
    """The entropy is the mean of -log p(a), the divergence that of log p(a) - log q(a), within 6 standard errors."""
    many, many_other = (x[0, 0].expand(_DRAWS, -1) for x in (params, other_params))
    action = distribution.sample(many, generator)
    log_prob, other_log_prob = distribution.log_prob(many, action), distribution.log_prob(many_other, action)
    _check_mean("entropy", distribution.entropy(params[0, 0]), -log_prob)
    _check_mean("kl", distribution.kl(params[0, 0], other_params[0, 0]), log_prob - other_log_prob)


def _check_mean(name: str, expected: Tensor, draws: Tensor) -> None:
    error = 6 * draws.std() / _DRAWS**0.5 + 1e-5
    assert (draws.mean() - expected).abs() <= error, f"{name} is {expected:.5f}, actions say {draws.mean():.5f}"


def _draw(distribution: Distribution, params: Tensor, seed: int) -> Tensor:
    return distribution.sample(params, torch.Generator().manual_seed(seed))
