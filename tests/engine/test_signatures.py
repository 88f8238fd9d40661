"""What a class offers to a configuration: its own hyper-parameters, and those of the parents that it passes them to."""

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from hsuanwu.common import registry
from hsuanwu.common.errors import ConfigurationError
from hsuanwu.engine import DistributedTrainer
from hsuanwu.engine.config import _option, register_groups
from hsuanwu.engine.signatures import constructor_parameters, takes_any_keyword, wiring_names
from hsuanwu.xploit.encoder import Encoder, MlpEncoder
from hsuanwu.xploit.learner import IMPALALearner


class PassesOn(IMPALALearner):
    def __init__(self, *args, my_coef: float = 0.25, lr: float = 0.5, **kwargs):
        super().__init__(*args, lr=lr, **kwargs)
        self.my_coef = my_coef


class Wide(MlpEncoder):
    """An encoder with defaults of every sort."""

    def __init__(
        self,
        observation_space,
        feature_dim,
        hidden: int = None,  # noqa: RUF013  people write so
        activation=nn.ReLU,
        dtype: torch.dtype = torch.float32,
        weights=np.ones(2),  # noqa: B008
        spec: tuple[float, int] = (0.5, 4),
        words: tuple[str, ...] = ("max",),
    ):
        super().__init__(observation_space, feature_dim, hidden_dims=(hidden or 8,))
        self.activation, self.spec, self.words = activation, spec, words


class Anything:
    def __init__(self, size, **kwargs):
        self.size, self.kwargs = size, kwargs


def test_keywords_that_are_passed_on_are_those_of_the_parent():
    found, parent = constructor_parameters(PassesOn), constructor_parameters(IMPALALearner)
    assert set(found) == {*parent, "my_coef"}
    assert (found["lr"].default, found["discount"]) == (0.5, parent["discount"])
    assert wiring_names(PassesOn, "learner") == wiring_names(IMPALALearner, "learner")
    assert not takes_any_keyword(PassesOn) and not takes_any_keyword(IMPALALearner)
    assert _option("learner", PassesOn).my_coef == 0.25
    assert set(constructor_parameters(Anything)) == {"size"} and takes_any_keyword(Anything)


def test_a_learner_that_passes_keywords_on_trains(composed):
    target = f"learner._target_={__name__}.PassesOn"
    trainer = DistributedTrainer(composed("total_steps=100", target, "+learner.my_coef=0.75", "learner.lr=0.125"))
    learner = trainer.agent.learner
    assert learner.my_coef == 0.75 and learner.optimizer.param_groups[0]["lr"] == 0.125
    with pytest.raises(ConfigurationError, match="^learner.my_coff: unknown key; did you mean 'learner.my_coef'"):
        DistributedTrainer(composed(target, "+learner.my_coff=0.75"))
    trainer.train()


def test_what_a_configuration_cannot_hold_is_left_to_the_class(composed, monkeypatch):
    monkeypatch.setitem(registry._TABLE["encoder"], "of_every_sort", Wide)
    register_groups()
    section = composed("encoder=of_every_sort").encoder
    assert OmegaConf.to_container(section) == {
        "_target_": f"{__name__}.Wide",
        "hidden": None,
        "spec": [0.5, 4],
        "words": ["max"],
    }
    assert [type(x) for x in section.spec] == [float, int]
    trainer = DistributedTrainer(composed("encoder=of_every_sort", "encoder.hidden=16"))
    encoder = next(x for x in trainer.agent.learner.learner.modules() if isinstance(x, Wide))
    assert encoder.activation is nn.ReLU
    trainer.train()


class Inconsistent(Encoder):
    def __init__(self, observation_space, feature_dim, width: int = 0.5):
        raise AssertionError("is not built")


def test_a_default_of_another_type_is_told_with_its_class(monkeypatch):
    monkeypatch.setitem(registry._TABLE["encoder"], "inconsistent", Inconsistent)
    with pytest.raises(ConfigurationError, match=r"^encoder=inconsistent: a default of .*Inconsistent .*'0.5'"):
        register_groups()


@pytest.mark.parametrize(
    ("key", "rest"),
    [("feature_dim=256", "; set feature_dim=..."), ("observation_space=3", "")],
)
def test_what_the_run_passes_on_is_no_hyper_parameter(composed, key, rest):
    """It used to be dropped without a word, and stood in config.yaml all the same."""
    name = key.partition("=")[0]
    message = f"^encoder.{name}: is none of its hyper-parameters, the run passes it on{rest}$"
    with pytest.raises(ConfigurationError, match=message):
        DistributedTrainer(
            composed(f"encoder={{_target_: hsuanwu.xploit.encoder.MlpEncoder, {key.replace('=', ': ')}}}")
        )
