"""Hydra groups made from the registry, and the types of the run-level keys."""

from __future__ import annotations

import copy
import dataclasses
import importlib.metadata
import importlib.resources
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Union, cast

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

import hsuanwu.env
import hsuanwu.runtime.transport
import hsuanwu.xploit.encoder
import hsuanwu.xploit.learner
import hsuanwu.xploit.policy
import hsuanwu.xploit.storage
import hsuanwu.xplore.augmentation
import hsuanwu.xplore.distribution  # noqa: F401  every room enters its modules in the registry
from hsuanwu.common.errors import ConfigurationError, one_line
from hsuanwu.common.registry import KINDS, options
from hsuanwu.engine.signatures import constructor_parameters, plain_entries, wiring_names

PLUGIN_GROUP = "hsuanwu.plugins"
"""Entry points of this group are loaded before groups are made: modules of strangers register themselves."""


@dataclasses.dataclass
class RunConfig:
    """Types of the run-level keys; their values stand in ``cfgs/config.yaml``, with what they mean."""

    total_steps: int = MISSING
    seed: int = MISSING
    device: str = MISSING
    num_actors: Union[int, str] = MISSING  # noqa: UP007  omegaconf knows no other form
    envs_per_actor: Union[int, str] = MISSING  # noqa: UP007
    rollout_length: int = MISSING
    batch_size: int = MISSING
    updates_per_batch: int = MISSING
    feature_dim: int = MISSING
    normalize_observation: bool = MISSING
    stagger_steps: int = MISSING
    run_dir: str | None = MISSING
    resume: Union[bool, str] = MISSING  # noqa: UP007
    learner_threads: Union[int, str] = MISSING  # noqa: UP007
    precision: str = MISSING
    overlap: Union[bool, str] = MISSING  # noqa: UP007
    compile: bool = MISSING
    log_interval: int | None = MISSING
    checkpoint_interval: int | None = MISSING
    eval_episodes: int = MISSING
    eval_interval: int | None = MISSING
    env: Any = MISSING
    learner: Any = MISSING
    storage: Any = MISSING
    transport: Any = MISSING
    encoder: Any = None
    distribution: Any = None
    augmentation: Any = None
    policy: Any = None


RUN_KEYS = tuple(field.name for field in dataclasses.fields(RunConfig) if field.name not in KINDS)
"""The names of the run-level keys."""


def register_groups() -> None:
    """Make each module of the registry an option of the Hydra group of its kind, with typed fields.

    Raises:
        ConfigurationError: if a plugin cannot be imported, or a default is not of the type that its parameter has.
    """
    load_plugins()
    store = ConfigStore.instance()
    store.store(name="hsuanwu_run", node=_run_schema())
    for kind in KINDS:
        for name, cls in options(kind).items():
            try:
                node = _option(kind, cls)
            except OmegaConfBaseException as error:
                raise ConfigurationError(
                    f"{kind}={name}: a default of {cls.__module__}.{cls.__qualname__} is not of the type that its "
                    f"parameter has ({one_line(error)})"
                ) from error
            store.store(group=kind, name=name, node=node)


def complete(cfgs: DictConfig | Mapping[str, Any]) -> DictConfig:
    """Return a copy of ``cfgs`` whose missing run-level keys have the values of ``cfgs/config.yaml``.

    Raises:
        ConfigurationError: if a run-level key has a value of the wrong type.
    """
    text = (importlib.resources.files("hsuanwu.cfgs") / "config.yaml").read_text("utf-8")
    shipped = cast(DictConfig, OmegaConf.create(text))
    try:
        known = OmegaConf.merge(_run_schema(), OmegaConf.masked_copy(shipped, list(RUN_KEYS)))
        OmegaConf.set_struct(known, False)
        return cast(DictConfig, OmegaConf.merge(known, cfgs))
    except OmegaConfBaseException as error:
        raise ConfigurationError(f"{error.full_key}: {str(error).splitlines()[0]}") from error


def resumed(cfgs: DictConfig, saved: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """Return the configuration that a run goes on with: ``saved``, changed by ``overrides`` alone.

    Args:
        cfgs: as composed.
        saved: what ``config.yaml`` of the run holds.
        overrides: what the user wrote, ``"learner.lr=1e-3"`` say. ``experiment=...`` changes nothing: the
            run's configuration came from it. Neither does ``env=atari`` in a run of Atari: it names what is there, so
            that Hydra knows its keys.
    """
    saved = copy.deepcopy(saved)
    saved.run_dir, saved.resume = cfgs.run_dir, cfgs.resume
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        if key != "experiment" and not _is_there(saved, key, value):
            OmegaConf.update(saved, key, OmegaConf.select(cfgs, key), merge=False, force_add=True)
    return saved


def differences(before: DictConfig, after: DictConfig) -> list[str]:
    """Return a line for each value that is another one, ``"learner.lr: 0.001, now 0.0006"`` say."""
    old, new = (dict(flat_values(OmegaConf.to_container(x, resolve=False))) for x in (before, after))
    old, new = ({name: x for name, x in y.items() if name not in ("run_dir", "resume")} for y in (old, new))
    return changes(old, new)


def changes(old: Mapping[str, Any], new: Mapping[str, Any], shown: Callable[[Any], str] = str) -> list[str]:
    """Return a line for each flat value that is another one.

    Args:
        old: values by name.
        new: likewise.
        shown: how a value is written.
    """
    changed = [name for name in {**old, **new} if (name in old) != (name in new) or old.get(name) != new.get(name)]
    return [f"{name}: {shown(old.get(name, 'not there'))}, now {shown(new.get(name, 'not there'))}" for name in changed]


def flat_values(x: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value of nested dicts with its key, ``"learner.lr"`` for example."""
    if isinstance(x, dict) and x:
        for key, value in x.items():
            yield from flat_values(value, f"{name}.{key}" if name else str(key))
    else:
        yield name, x


def _is_there(saved: DictConfig, key: str, value: str) -> bool:
    """Return whether an override chooses the module, by its name in the registry, that a run has already."""
    if key not in KINDS or value not in options(key):
        return False
    return bool(OmegaConf.select(saved, f"{key}._target_") == target_path(options(key)[value]))


def load_plugins() -> None:
    """Import the modules that installed packages offer under ``hsuanwu.plugins``.

    Raises:
        ConfigurationError: if one cannot be imported.
    """
    for entry_point in importlib.metadata.entry_points(group=PLUGIN_GROUP):
        try:
            entry_point.load()
        except Exception as error:
            raise ConfigurationError(
                f"plugin {entry_point.name}: {entry_point.value} cannot be imported "
                f"({type(error).__name__}: {error}); mend or uninstall the package that brings it"
            ) from error


def target_path(cls: type) -> str:
    """Return the shortest dotted path under which a class can be imported from its package."""
    package = cls.__module__.rpartition(".")[0]
    if getattr(sys.modules.get(package), cls.__name__, None) is cls:
        return f"{package}.{cls.__name__}"
    return f"{cls.__module__}.{cls.__qualname__}"


def _run_schema() -> DictConfig:
    """Return the run-level keys with their types, in a node that an application may add keys of its own to."""
    typed = OmegaConf.structured(RunConfig)
    return OmegaConf.create({name: typed._get_node(name) for name in typed})


def _option(kind: str, cls: type) -> Any:
    """Return the structured config of a class: its target, and its hyper-parameters with their defaults."""
    wiring = wiring_names(cls, kind)
    fields: list[tuple[str, Any, Any]] = [("_target_", str, dataclasses.field(default=target_path(cls)))]
    for name, parameter in constructor_parameters(cls).items():
        if name not in wiring and _can_be_held(parameter.default):
            hint = parameter.annotation if parameter.default is not None else parameter.annotation | None
            fields.append((name, _config_type(hint), _default(parameter)))
    node = OmegaConf.structured(dataclasses.make_dataclass(f"{cls.__name__}Config", fields))
    for name in node:
        if OmegaConf.is_dict(node._get_node(name)) and not OmegaConf.is_missing(node, name) and node[name] is not None:
            # free-form arguments: any key may be set, `env.kwargs.size=8` say
            OmegaConf.set_struct(node[name], False)
    return node


def _can_be_held(default: Any) -> bool:
    """Return whether a configuration can hold a default; what it cannot, a class say, is the class's own matter."""
    try:
        OmegaConf.create({"default": default})
    except OmegaConfBaseException:
        return default is inspect.Parameter.empty
    return True


def _default(parameter: inspect.Parameter) -> Any:
    default = parameter.default
    if default is parameter.empty:
        return dataclasses.field(default=MISSING)
    if isinstance(default, (list, tuple, dict)):
        return dataclasses.field(default_factory=lambda: dict(default) if isinstance(default, dict) else list(default))
    return dataclasses.field(default=default)


def _config_type(hint: Any) -> Any:
    """Return the type that omegaconf checks for a parameter's annotation; Any where it knows none."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        inner = [_config_type(a) for a in arguments if a is not type(None)]
        is_optional = len(inner) < len(arguments)
        if len(inner) != 1 or inner[0] is Any or typing.get_origin(inner[0]) is dict:
            return Any  # omegaconf cannot put a dict in the place of a None that is typed as one
        return inner[0] | None if is_optional else inner[0]
    if hint in (int, float, bool, str):
        return hint
    if (entry := plain_entries(hint)) is not None:
        return list[entry]  # type: ignore[valid-type]
    if origin is dict:
        return dict[str, Any]
    return Any
