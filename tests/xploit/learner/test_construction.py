"""The public contract of the constructor: eleven documented arguments, by Hydra, by name and by position."""

import copy
import inspect
import pickle

import gymnasium
import hydra
import pytest
import torch
from omegaconf import OmegaConf

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.testing.learner import update
from hsuanwu.xploit.encoder import MlpEncoder
from hsuanwu.xploit.learner import IMPALALearner
from hsuanwu.xploit.policy import FeedForwardPolicy, LstmPolicy
from hsuanwu.xplore.distribution import SquashedGaussian
from tests.xploit.learner.cases import ACTIONS, BOX, DISCRETE, DOCUMENTED, OBSERVATION, batch_for, make

TARGET = {"_target_": "hsuanwu.xploit.learner.IMPALALearner"}


def test_names_and_order_of_the_documented_arguments():
    parameters = inspect.signature(IMPALALearner).parameters
    assert list(parameters)[:11] == list(DOCUMENTED)
    assert all(p.kind is p.POSITIONAL_OR_KEYWORD for p in list(parameters.values())[:11])
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in list(parameters.values())[11:])
    wiring = [name for name, p in parameters.items() if p.default is p.empty]
    assert wiring == ["observation_space", "action_space", "device", "feature_dim"]


def test_names_and_order_of_update():
    expected = [
        "cfgs",
        "actor_model",
        "learner_model",
        "batch",
        "init_actor_states",
        "optimizer",
        "lr_scheduler",
        "lock",
    ]
    assert list(inspect.signature(IMPALALearner.update).parameters) == expected
    assert inspect.signature(IMPALALearner.train).parameters["training"].default is True


@pytest.mark.parametrize("use_lstm", [False, True])
@pytest.mark.parametrize("action_space", ACTIONS, ids=str)
@pytest.mark.parametrize("form", [dict, OmegaConf.create], ids=["dict", "DictConfig"])
def test_hydra_instantiates_it(form, action_space, use_lstm):
    arguments = {**DOCUMENTED, "action_space": action_space, "use_lstm": use_lstm}
    learner = hydra.utils.instantiate(form({**TARGET, **arguments}))
    assert isinstance(learner, IMPALALearner)
    learner.train(True)
    assert learner.learner.training and not learner.actor.training
    learner.train(False)
    assert not learner.learner.training
    state = learner.actor.init_state(3)
    assert [x.shape for x in state] == [(3, 8)] * 2 if use_lstm else state == ()
    assert all(torch.equal(x, learner.actor.state_dict()[k]) for k, x in learner.learner.state_dict().items())
    update(learner, batch_for(learner))


def test_by_position():
    learner = IMPALALearner(*DOCUMENTED.values())
    assert isinstance(learner.actor, FeedForwardPolicy)
    values = {**DOCUMENTED, "use_lstm": True, "lr": 0.25, "eps": 0.125}.values()
    learner = IMPALALearner(*values)
    assert isinstance(learner.actor, LstmPolicy)
    (group,) = learner.optimizer.param_groups
    assert isinstance(learner.optimizer, torch.optim.RMSprop)
    assert (group["lr"], group["eps"], group["alpha"]) == (0.25, 0.125, 0.99)


def test_the_default_learner_on_frames():
    learner = make(observation_space={"shape": (4, 84, 84)}, use_lstm=True)
    batch = batch_for(learner, {"shape": (4, 84, 84)}, num_steps=3, num_envs=2)
    assert batch.observation.dtype == torch.uint8 and batch.observation.shape == (4, 2, 4, 84, 84)
    before = copy.deepcopy(learner.learner.state_dict())
    update(learner, batch)
    assert all(not torch.equal(x, before[name]) for name, x in learner.learner.named_parameters())
    row = batch.observation[0], batch.is_first[0], batch.last_action[0], batch.last_reward[0]
    assert learner.actor.act(*row, learner.actor.init_state(2)).action.shape == (2,)


def test_spaces_in_other_forms():
    spaces = gymnasium.spaces.Box(-1, 1, (4,)), gymnasium.spaces.Discrete(3)
    learner = make(observation_space=spaces[0], action_space=spaces[1])
    expected = make()
    assert all(torch.equal(x, expected.actor.state_dict()[name]) for name, x in learner.actor.state_dict().items())


def test_modules_that_are_given_are_taken():
    encoder, distribution = MlpEncoder(OBSERVATION, 5, hidden_dims=()), SquashedGaussian(BOX)
    learner = make(action_space=BOX, encoder=encoder, distribution=distribution)
    assert learner.learner.encoder is encoder and learner.learner.distribution is distribution
    update(learner, batch_for(learner))


def test_actor_and_learner():
    learner = make()
    assert not any(parameter.requires_grad for parameter in learner.actor.parameters())
    assert not learner.actor.training and learner.learner.training
    assert learner.device == torch.device("cpu")


@pytest.mark.parametrize("way", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"])
def test_copies_learn_the_same_on_their_own(way):
    learner = make()
    batch = batch_for(learner)
    update(learner, batch)
    twin = way(learner)
    before = copy.deepcopy(learner.learner.state_dict())
    update(twin, batch)
    assert all(torch.equal(x, before[name]) for name, x in learner.learner.state_dict().items())
    update(learner, batch)
    assert all(torch.equal(x, twin.learner.state_dict()[name]) for name, x in learner.learner.state_dict().items())


@pytest.mark.parametrize(
    "name, wrong, message",
    [
        ("observation_space", 3, "observation_space: found int 3"),
        ("action_space", {"shape": (3,), "type": "Discrete", "range": [0, 5]}, "action_space: a Discrete space has"),
        ("action_space", {"type": "Dict", "spaces": {"a": DISCRETE}}, "action_space: Dict actions are not supported"),
        ("action_space", {"shape": (2,), "type": "Box", "range": [0, 9], "dtype": "int32"}, "found Box(shape=(2,)"),
        ("device", "cuda:7", "device: found 'cuda:7'; this machine has cpu"),
        ("device", "gpu", "device: found 'gpu'; this machine has cpu"),
        ("device", None, "device: found None; this machine has cpu"),
        ("feature_dim", 0, "feature_dim: found 0"),
        ("lr", -1.0, "learner.lr: found -1.0; use a finite number above 0"),
        ("eps", -1.0, "learner.eps: found -1.0; use a finite number of 0 or more"),
        ("max_grad_norm", 0.0, "learner.max_grad_norm: found 0.0; use a number above 0"),
        ("discount", 1.5, "learner.discount: found 1.5; use a number in [0, 1]"),
        ("discount", float("nan"), "learner.discount: found nan"),
        ("lambda_", -0.1, "learner.lambda_: found -0.1; use a number in [0, 1]"),
        ("clip_rho", 0.0, "learner.clip_rho: found 0.0; use a number above 0"),
        ("clip_c", -1.0, "learner.clip_c: found -1.0; use a number above 0"),
        ("clip_pg_rho", float("nan"), "learner.clip_pg_rho: found nan"),
        ("loss_reduction", "avg", "learner.loss_reduction: found 'avg'; use 'sum' or 'mean'"),
        ("reward_clip", 0.0, "learner.reward_clip: found 0.0; use a number above 0, or null"),
        ("lr_schedule", "linaer", "schedule: found 'linaer', expected one of constant, linear, cosine"),
        ("optimizer", "Adm", "learner.optimizer: found 'Adm'; use a class of torch.optim, 'RMSprop' say"),
    ],
)
def test_mistakes_are_one_line(name, wrong, message):
    with pytest.raises(ConfigurationError) as caught:
        make(**{name: wrong})
    assert message in str(caught.value) and "\n" not in str(caught.value)
