"""Orthogonal weights, and heads that begin small."""

import math

import pytest
import torch
from torch import nn

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.xploit.policy.initialization import initialize
from tests.xploit.learner.cases import BOX, DISCRETE, make


def assert_orthogonal(weight, gain):
    matrix = weight.detach().flatten(1)
    if matrix.shape[0] > matrix.shape[1]:
        matrix = matrix.T
    assert torch.allclose(matrix @ matrix.T, gain**2 * torch.eye(len(matrix)), atol=1e-4)


@pytest.mark.parametrize("use_lstm", [False, True])
@pytest.mark.parametrize("space", [{"shape": (4,)}, {"shape": (4, 36, 40)}], ids=["mlp", "cnn"])
def test_orthogonal(space, use_lstm):
    policy = make(observation_space=space, use_lstm=use_lstm, init="orthogonal").learner
    assert_orthogonal(policy.actor.weight, 0.01)
    assert_orthogonal(policy.critic.weight, 1.0)
    layers = [m for m in policy.encoder.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    assert len(layers) >= 2
    for layer in layers:
        assert_orthogonal(layer.weight, math.sqrt(2))
        assert not layer.bias.any()
    if use_lstm:
        for gate in policy.core.weight_ih_l0.chunk(4):
            assert_orthogonal(gate, 1.0)
        assert not policy.core.bias_ih_l0.any()


def test_only_the_last_layer_of_a_deeper_head_begins_small():
    policy = make().learner
    for name, size in (("actor", 2), ("critic", 1)):
        setattr(policy, name, nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Sequential(nn.Linear(32, size))))
    initialize(policy, "orthogonal")
    for head, gain in ((policy.actor, 0.01), (policy.critic, 1.0)):
        assert_orthogonal(head[0].weight, math.sqrt(2))
        assert_orthogonal(head[2][0].weight, gain)


def test_the_deviation_of_actions_begins_where_the_distribution_says():
    policy = make(action_space=BOX, init="orthogonal").learner
    params, _ = policy.step_params(torch.randn(5, 4), *[torch.zeros(5)] * 3, ())
    mean, log_std = params.chunk(2, -1)
    assert mean.abs().max() < 0.05
    reference = make(action_space=BOX).learner
    default = reference.step_params(torch.zeros(5, 4), *[torch.zeros(5)] * 3, ())[0].chunk(2, -1)[1]
    assert torch.allclose(log_std, default)


def test_actor_and_learner_begin_alike():
    learner = make(init="orthogonal")
    assert torch.equal(learner.actor.critic.weight, learner.learner.critic.weight)


def test_default_is_that_of_torch():
    assert torch.equal(make(seed=3).learner.actor.weight, make(seed=3, init="default").learner.actor.weight)


def test_unknown():
    with pytest.raises(ConfigurationError, match=r"learner\.init: found 'xavier'; use 'default' or 'orthogonal'"):
        make(action_space=DISCRETE, init="xavier")
