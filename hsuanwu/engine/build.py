"""The composition root: from a configuration to objects. Nothing below it sees a configuration."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import hydra.utils
import torch
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import Tensor

from hsuanwu.common.errors import ConfigurationError, EnvironmentFault, nearest, one_line
from hsuanwu.common.nest import map_nest
from hsuanwu.common.protocols import EnvFactory
from hsuanwu.common.registry import KINDS, options
from hsuanwu.common.spaces import Space
from hsuanwu.engine.config import RUN_KEYS
from hsuanwu.engine.description import describe_observation
from hsuanwu.engine.signatures import check_nest, constructor_parameters, takes_any_keyword, wiring_names
from hsuanwu.env.action import random_action
from hsuanwu.env.imports import load_object
from hsuanwu.env.visit import visit
from hsuanwu.runtime.actor import MOST_STREAMS, Actor
from hsuanwu.runtime.group import check_stagger
from hsuanwu.runtime.limits import check_descriptors, check_may_start_processes
from hsuanwu.runtime.transport import Transport
from hsuanwu.runtime.transport.base import DEFAULT_TIMEOUT, checked_timeout
from hsuanwu.runtime.weights import WeightBoard
from hsuanwu.xploit.encoder import (
    Encoder,
    MixedPrecisionEncoder,
    NormalizingEncoder,
    default_encoder,
    normalized_space,
)
from hsuanwu.xploit.learner import Learner
from hsuanwu.xploit.learner.optimizer import as_device
from hsuanwu.xploit.policy import Policy
from hsuanwu.xploit.storage import Storage
from hsuanwu.xplore.augmentation import Augmentation
from hsuanwu.xplore.distribution import Distribution, action_notes, default_distribution

_BASES: dict[str, type | None] = {
    "augmentation": Augmentation,
    "distribution": Distribution,
    "encoder": Encoder,
    "env": None,
    "learner": Learner,
    "policy": Policy,
    "storage": Storage,
    "transport": Transport,
}
_AT_LEAST_ONE = ("total_steps", "rollout_length", "batch_size", "updates_per_batch", "feature_dim")
_AT_LEAST_ONE_OR_AUTO = ("num_actors", "envs_per_actor", "learner_threads")
_FEW_STEPS = 3
"""Steps of the first look: what an environment does wrong at once is found before anything starts."""
_CHOICES = {
    "precision": ("auto", "float32", "bfloat16"),
    "overlap": ("auto", True, False),
    "resume": ("auto", True, False),
}


@dataclass
class Agent:
    """An environment's factory and the learner that fits it.

    Attributes:
        env_factory: builds the environments.
        observation_space: what they show.
        action_space: what they take.
        learner: policies and optimizer.
        description: lines that say which encoder reads observations, and how.
    """

    env_factory: EnvFactory
    observation_space: Space
    action_space: Space
    learner: Learner
    description: list[str]

    @property
    def device(self) -> torch.device:
        """Where the learner is."""
        weight = next(self.learner.learner.parameters(), None)
        return torch.device("cpu") if weight is None else weight.device


@dataclass
class Runtime:
    """What moves experience: memory, weights, transport and the program of the actors."""

    storage: Storage
    board: WeightBoard
    transport: Transport
    actor: Actor


def build_agent(cfgs: DictConfig) -> Agent:
    """Return the environment's factory and the learner of a configuration. No process is started.

    ``precision=auto`` counts as float32 here: to choose is up to ``calibrated``.

    Raises:
        ConfigurationError: one line that names the key, what was found and what would be right.
    """
    env_factory = make_env_factory(cfgs)
    observation_space, action_space = _look_at(env_factory, cfgs)
    wiring: dict[str, Any] = {
        "observation_space": observation_space,
        "action_space": action_space,
        "device": as_device(cfgs.device),
        "feature_dim": cfgs.feature_dim,
    }
    wiring["encoder"] = encoder = _make_encoder(cfgs, wiring)
    for kind in ("distribution", "augmentation", "policy"):
        if cfgs.get(kind) is not None:
            wiring[kind] = _make(cfgs, kind, wiring)
        else:
            wiring[kind] = default_distribution(action_space) if kind == "distribution" else None
    learner = _make(cfgs, "learner", wiring)
    if cfgs.compile:
        # in place, and after the learner has made its copy for the actors: they would compile for minutes
        encoder.compile()
    description = describe_observation(encoder, is_chosen=cfgs.get("encoder") is not None)
    if wiring["distribution"] is not None:
        description += [f"Note: {note}" for note in action_notes(wiring["distribution"])]
    return Agent(env_factory, observation_space, action_space, learner, description)


def make_env_factory(cfgs: DictConfig) -> EnvFactory:
    """Return what builds the environments of a configuration.

    Raises:
        ConfigurationError: one line that names the key, what was found and what would be right.
    """
    factory: EnvFactory = _make(cfgs, "env", {})
    return factory


def _make_encoder(cfgs: DictConfig, wiring: Mapping[str, Any]) -> Encoder:
    """Return the encoder of a configuration, in its precision, and behind a normalisation if there is to be one."""
    space = wiring["observation_space"]
    shown = normalized_space(space) if cfgs.normalize_observation else space
    if cfgs.get("encoder") is not None:
        encoder = _make(cfgs, "encoder", {**wiring, "observation_space": shown})
        _check_features(encoder, shown)
    else:
        encoder = default_encoder(shown, cfgs.feature_dim)
    encoder = MixedPrecisionEncoder(encoder, torch.bfloat16 if cfgs.precision == "bfloat16" else torch.float32)
    return NormalizingEncoder(space, encoder) if cfgs.normalize_observation else encoder


@torch.no_grad()
def _check_features(encoder: Encoder, space: Space) -> None:
    """Check that an encoder gives what the heads of a policy will be made for; a copy of it is tried."""
    device = next((weight.device for weight in encoder.parameters()), torch.device("cpu"))
    blank = map_nest(lambda spec: torch.zeros((2, *spec.shape), dtype=spec.dtype, device=device), space.tensor_spec())
    features = copy.deepcopy(encoder).eval()(blank)
    found = f"{list(features.shape)} {features.dtype}" if isinstance(features, Tensor) else type(features).__name__
    right = f"{[2, encoder.feature_dim]} {torch.float32}"
    if found != right:
        raise ConfigurationError(
            f"encoder: {type(encoder).__name__} gives {found} for two observations; its feature_dim is "
            f"{encoder.feature_dim}, so {right} was expected"
        )


def build_runtime(cfgs: DictConfig, agent: Agent, seed: int) -> Runtime:
    """Return storage, weights, transport and actor program of a configuration. No process is started.

    Args:
        cfgs: the configuration.
        agent: what ``build_agent`` made of it.
        seed: of the actors' environments and actions.

    Raises:
        ConfigurationError: one line that names the key, what was found and what would be right.
    """
    policy = agent.learner.actor
    shared = transport_class(cfgs).shares_memory
    wiring = {
        "observation_space": agent.observation_space,
        "action_space": agent.action_space,
        "rollout_length": cfgs.rollout_length,
        "envs_per_actor": cfgs.envs_per_actor,
        "num_actors": cfgs.num_actors,
        "state_spec": policy.state_spec,
        "shared": shared,
    }
    if shared:
        check_may_start_processes()
        check_descriptors(cfgs.num_actors)
    storage = _make(cfgs, "storage", wiring)
    check_batch_size(cfgs, storage.num_slots)
    device = actor_device(cfgs, agent)
    if device.type == "cuda" and cfgs.num_actors > MOST_STREAMS:
        raise ConfigurationError(
            f"num_actors: found {cfgs.num_actors}, but a GPU has {MOST_STREAMS} streams for threads; use "
            f"{MOST_STREAMS} or less, with more envs_per_actor, or transport=process"
        )
    board = WeightBoard(policy.state_dict(), shared, device)
    transport = _make(cfgs, "transport", {"storage": storage, "board": board})
    actor = Actor(
        agent.env_factory,
        policy,
        cfgs.envs_per_actor,
        cfgs.rollout_length,
        seed,
        cfgs.overlap,
        device,
        cfgs.stagger_steps,
    )
    return Runtime(storage, board, transport, actor)


def transport_class(cfgs: DictConfig) -> type[Transport]:
    """Return the class of the transport that a configuration names."""
    cls: type[Transport] = _target(cfgs.transport, "transport")
    return cls


def actor_device(cfgs: DictConfig, agent: Agent) -> torch.device:
    """Return where actors infer: on the learner's device if they share its process and run beside it."""
    return agent.device if _shares_process(cfgs) else torch.device("cpu")


def acts_on_accelerator(cfgs: DictConfig) -> bool:
    """Return whether actors are threads beside a learner that will not be on the CPU."""
    return _shares_process(cfgs) and as_device(cfgs.device).type != "cpu"


def _shares_process(cfgs: DictConfig) -> bool:
    transport = transport_class(cfgs)
    return transport.is_concurrent and not transport.shares_memory


def check_run_keys(cfgs: DictConfig) -> None:
    """Check what can be known of the run-level keys before anything is built.

    Raises:
        ConfigurationError: one line that names the key, what was found and what would be right.
    """
    for key in (*RUN_KEYS, "env", "learner", "storage", "transport"):
        if OmegaConf.is_missing(cfgs, key) or key not in cfgs:
            raise ConfigurationError(f"{key}: missing; compose it from pkg://hsuanwu.cfgs, or set it")
    for key in _AT_LEAST_ONE:
        if cfgs[key] < 1:
            raise ConfigurationError(f"{key}: found {cfgs[key]}; use 1 or more")
    for key in _AT_LEAST_ONE_OR_AUTO:
        if not (cfgs[key] == "auto" or (isinstance(cfgs[key], int) and cfgs[key] >= 1)):
            raise ConfigurationError(f"{key}: found {cfgs[key]}; use an integer of 1 or more, or auto")
    for key in _CHOICES:
        check_choice(cfgs, key)
    for key in ("log_interval", "checkpoint_interval", "eval_interval"):
        if cfgs[key] is not None and cfgs[key] < 1:
            raise ConfigurationError(f"{key}: found {cfgs[key]}; use 1 or more, or null")
    for key in ("eval_episodes", "seed", "stagger_steps"):
        if cfgs[key] < 0:
            raise ConfigurationError(f"{key}: found {cfgs[key]}; use 0 or more")
    if cfgs.eval_interval is not None and cfgs.eval_episodes == 0:
        raise ConfigurationError("eval_episodes: found 0; use 1 or more, or eval_interval=null")
    if cfgs.envs_per_actor != "auto" and cfgs.batch_size % cfgs.envs_per_actor:
        raise ConfigurationError(
            f"batch_size: found {cfgs.batch_size}, which slots of envs_per_actor={cfgs.envs_per_actor} environments "
            f"can never fill; use a multiple of {cfgs.envs_per_actor}"
        )


def check_choice(cfgs: DictConfig, key: str) -> None:
    """Check a run-level key that has one of some values.

    Raises:
        ConfigurationError: if it has another one.
    """
    if cfgs[key] not in _CHOICES[key]:
        right = ", ".join(str(choice).lower() for choice in _CHOICES[key])
        raise ConfigurationError(f"{key}: found {cfgs[key]}; use one of {right}")


def check_batch_size(cfgs: DictConfig, num_slots: int) -> None:
    """Check that a storage holds enough for a batch.

    Raises:
        ConfigurationError: if it does not.
    """
    most = num_slots * cfgs.envs_per_actor
    if cfgs.batch_size > most:
        raise ConfigurationError(
            f"batch_size: found {cfgs.batch_size}, but the storage holds {num_slots} slots of "
            f"envs_per_actor={cfgs.envs_per_actor} environments, so that it can never be filled; use {most} or less, "
            f"or raise num_actors or storage.slots_per_actor"
        )


def timeout_seconds(cfgs: DictConfig) -> float:
    """Return how long an environment may take for what is asked of it, wherever it runs.

    Raises:
        ConfigurationError: if it is no time.
    """
    return checked_timeout(float(cfgs.transport.get("timeout_seconds", DEFAULT_TIMEOUT)))


def _look_at(env_factory: EnvFactory, cfgs: DictConfig) -> tuple[Space, Space]:
    """Build one environment, check that it resets and steps, close it and return its spaces.

    Raises:
        ConfigurationError: if what it answers is not what its spaces say.
        EnvironmentFault: if its code fails.
    """
    try:
        with visit("", timeout_seconds(cfgs)) as alarm, closing(env_factory(1)) as env:
            check_stagger(env, cfgs.stagger_steps)
            env.reset(0)
            for seed in range(_FEW_STEPS):
                alarm.renew()
                env.step(random_action(env.action_space, 1, seed))
            return env.observation_space, env.action_space
    except EnvironmentFault as fault:
        if fault.trace:
            raise
        raise ConfigurationError(str(fault)) from fault


def _make(cfgs: DictConfig, kind: str, wiring: Mapping[str, Any]) -> Any:
    """Return the module that a section describes; it gets what it asks for by name from ``wiring``."""
    section = cfgs[kind]
    cls = _target(section, kind)
    names = wiring_names(cls, kind)
    if unknown := sorted(names - set(wiring)):
        raise ConfigurationError(
            f"{kind}: {cls.__name__} asks for {unknown}; parameters without a default are wiring, and a {kind} can "
            f"have {', '.join(sorted(wiring)) or 'none'}"
        )
    _check_keys(section, cls, kind, names)
    missing = [str(key) for key in section if OmegaConf.is_missing(section, key)]
    if missing:
        raise ConfigurationError(f"{kind}.{missing[0]}: missing; set {kind}.{missing[0]}=...")
    try:
        constructor = hydra.utils.instantiate(section, _partial_=True, _convert_="all", _recursive_=False)
        return constructor(**{name: wiring[name] for name in names})
    except ConfigurationError:
        raise
    except (TypeError, ValueError, RuntimeError, MemoryError, OmegaConfBaseException, InstantiationException) as error:
        if isinstance(error, EnvironmentFault):
            raise
        given = {key: value for key, value in section.items() if key != "_target_"}
        raise ConfigurationError(f"{kind}: {cls.__name__} cannot be built with {given}: {one_line(error)}") from error


def _check_keys(section: DictConfig, cls: type, kind: str, wiring: set[str]) -> None:
    """Check that a class takes every key of its section; parameters that are ``wiring`` are none of them."""
    parameters = constructor_parameters(cls)
    known = [f"{kind}.{name}" for name in parameters if name not in wiring]
    for name in map(str, section):
        key = f"{kind}.{name}"
        if name in wiring:
            set_it = f"; set {name}=..." if name in (*RUN_KEYS, *KINDS) else ""
            raise ConfigurationError(f"{key}: is none of its hyper-parameters, the run passes it on{set_it}")
        is_hydras = name.startswith("_") and name.endswith("_")  # _target_, _convert_ ...
        if name not in parameters and not is_hydras and not takes_any_keyword(cls):
            raise ConfigurationError(f"{key}: unknown key; {nearest(key, known)}{cls.__name__} has {', '.join(known)}")
        if name in parameters:
            check_nest(section.get(name), parameters[name].annotation, key)


def _target(section: Any, kind: str) -> Any:
    """Return the class that a section names, if it is one that this kind may have."""
    path = section.get("_target_") if isinstance(section, DictConfig) else None
    if not isinstance(path, str):
        raise ConfigurationError(
            f"{kind}: found {section!r}; choose {kind}=<one of {', '.join(options(kind))}>, or set {kind}._target_"
        )
    cls = load_object(path, f"{kind}._target_")
    base = _BASES[kind]
    if cls not in options(kind).values() and not (isinstance(cls, type) and base and issubclass(cls, base)):
        right = f"a subclass of {base.__module__}.{base.__name__}" if base else "a registered class"
        raise ConfigurationError(f"{kind}._target_: found {path!r}; use {right}, or register it as {kind}")
    return cls
