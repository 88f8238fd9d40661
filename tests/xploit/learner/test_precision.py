"""An encoder in bfloat16 leaves everything behind it in float32."""

import pytest
import torch
from torch import Tensor, nn

from hsuanwu.testing.learner import update
from hsuanwu.xploit.encoder import MixedPrecisionEncoder, MlpEncoder
from hsuanwu.xploit.learner import impala_loss as module
from tests.xploit.learner.cases import ACTIONS, OBSERVATION, batch_for, make


def learner_of(dtype, **others):
    torch.manual_seed(0)
    return make(encoder=MixedPrecisionEncoder(MlpEncoder(OBSERVATION, 8), dtype), **others)


def watch(network, dtypes):
    """Note the dtype of what each layer of ``network`` makes, by the name of the layer."""
    for name, layer in network.named_modules():
        if isinstance(layer, (nn.Linear, nn.LSTM)):
            layer.register_forward_hook(
                lambda _, inputs, result, name=name: dtypes.__setitem__(
                    name, result.dtype if isinstance(result, Tensor) else result[0].dtype
                )
            )


@pytest.mark.parametrize("use_lstm", [False, True])
@pytest.mark.parametrize("action_space", ACTIONS, ids=str)
def test_only_the_encoder_is_in_bfloat16(action_space, use_lstm):
    learner, dtypes = learner_of(torch.bfloat16, action_space=action_space, use_lstm=use_lstm), {}
    watch(learner.learner, dtypes)
    update(learner, batch_for(learner))
    inside = {dtype for name, dtype in dtypes.items() if name.startswith("encoder.")}
    outside = {name: dtype for name, dtype in dtypes.items() if not name.startswith("encoder.")}
    assert inside == {torch.bfloat16}
    assert len(outside) == 2 + use_lstm and set(outside.values()) == {torch.float32}


class Spies:
    """Note the dtypes of all numbers that a function of the loss is given and gives."""

    def __init__(self, monkeypatch, names):
        self.dtypes = {}
        for name in names:
            monkeypatch.setattr(module, name, self.spy(name, getattr(module, name)))

    def spy(self, name, right):
        def call(*args, **named):
            result = right(*args, **named)
            results = result if isinstance(result, tuple) else (result,)
            numbers = [x for x in (*args, *named.values(), *results) if isinstance(x, Tensor)]
            self.dtypes.setdefault(name, set()).update(x.dtype for x in numbers if x.is_floating_point())
            return result

        return call


NAMES = ("vtrace", "policy_gradient_loss", "baseline_loss", "entropy_loss", "importance_summary", "explained_variance")


@pytest.mark.parametrize("use_lstm", [False, True])
@pytest.mark.parametrize("action_space", ACTIONS, ids=str)
def test_vtrace_and_the_losses_are_in_float32(monkeypatch, action_space, use_lstm):
    spies = Spies(monkeypatch, NAMES)
    learner = learner_of(torch.bfloat16, action_space=action_space, use_lstm=use_lstm)
    update(learner, batch_for(learner))
    assert spies.dtypes == {name: {torch.float32} for name in NAMES}


def test_actions_values_and_states_are_in_float32():
    learner = learner_of(torch.bfloat16, use_lstm=True)
    batch, policy = batch_for(learner), learner.actor
    rows = batch.observation, batch.is_first, batch.last_action, batch.last_reward
    step = policy.act(*(x[0] for x in rows), batch.init_state)
    assert {x.dtype for x in (step.log_prob, *step.state)} == {torch.float32}
    unroll = policy.unroll(*rows, batch.init_state)
    assert unroll.params.dtype == unroll.values.dtype == torch.float32


def test_an_update_is_near_to_that_of_float32():
    learners = [learner_of(dtype, optimizer="SGD", lr=0.1) for dtype in (torch.float32, torch.bfloat16)]
    batch = batch_for(learners[0])
    start = nn.utils.parameters_to_vector(learners[0].learner.parameters()).detach().clone()
    metrics, steps = [], []
    for learner in learners:
        metrics.append(update(learner, batch))
        steps.append(nn.utils.parameters_to_vector(learner.learner.parameters()).detach() - start)
        assert {weight.dtype for weight in learner.learner.parameters()} == {torch.float32}
    assert 0 < (steps[1] - steps[0]).norm() < 0.05 * steps[0].norm()
    assert metrics[1] == pytest.approx(metrics[0], rel=0.05, abs=0.01)
