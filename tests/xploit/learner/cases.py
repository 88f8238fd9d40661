"""Learners and batches that several tests use."""

import torch
from omegaconf import OmegaConf

from hsuanwu.testing.trajectory import random_trajectory
from hsuanwu.xploit.learner import IMPALALearner

OBSERVATION = {"shape": (4,)}
DISCRETE = {"shape": (3,), "type": "Discrete", "range": [0, 2]}
BOX = {"shape": (2,), "type": "Box", "range": [-1, 1]}
MULTI_DISCRETE = {"type": "MultiDiscrete", "nvec": [2, 3]}
MULTI_BINARY = {"type": "MultiBinary", "shape": (3,)}
ACTIONS = [DISCRETE, BOX, MULTI_DISCRETE, MULTI_BINARY]

DOCUMENTED = {
    "observation_space": OBSERVATION,
    "action_space": DISCRETE,
    "device": "cpu",
    "feature_dim": 8,
    "lr": 5e-4,
    "eps": 0.01,
    "use_lstm": False,
    "ent_coef": 0.01,
    "baseline_coef": 0.5,
    "max_grad_norm": 40.0,
    "discount": 0.99,
}
"""The eleven documented arguments, in their order."""


def make(seed=0, **others):
    torch.manual_seed(seed)
    return IMPALALearner(**{**DOCUMENTED, **others})


def batch_for(learner, observation_space=OBSERVATION, num_steps=7, num_envs=3, seed=0):
    spaces = observation_space, learner.actor.distribution.action_space
    return random_trajectory(*spaces, num_steps, num_envs, learner.actor.state_spec, seed)


def cfgs_of(form=dict, **learner):
    """Return a configuration with a section ``learner``."""
    cfgs = {"learner": learner}
    return OmegaConf.create(cfgs) if form is OmegaConf else cfgs
