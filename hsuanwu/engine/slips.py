"""Corrections for arguments written in the style of other command lines and other libraries."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.registry import KINDS, options
from hsuanwu.engine.config import RunConfig
from hsuanwu.engine.signatures import constructor_parameters

_FLAGS = {"-h", "--help", "--hydra-help", "--version", "--resolve", "--run", "-r", "--multirun", "-m"}
_FLAGS |= {"--shell-completion", "-sc"}
_FLAGS_WITH_VALUE = {"--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn"}
_FLAGS_WITH_VALUE |= {"--config-dir", "-cd", "--info", "-i", "--experimental-rerun"}
_ENVIRONMENT = re.compile(r"\w+(?:\.\w+)*:[\w./-]+")
_WHOLE = re.compile(r"\d[\d_]*(?:\.\d*)?[eE]\+?\d+")
_NO_FLAG = re.compile(r"[-+]?\d+(?<!^0)(?<!^1)")
_NO_NAME = re.compile(r"[-+]?[\d.]+(?:[eE][-+]?\d+)?|true|false|\[.*", re.IGNORECASE)

OTHER_WORDS: Mapping[str, str] = {
    "adam_eps": "learner.eps",
    "algorithm": "learner",
    "cuda": "device=cuda",
    "discount_factor": "learner.discount",
    "entropy_coef": "learner.ent_coef",
    "entropy_coeff": "learner.ent_coef",
    "env_id": "env.id",
    "env_name": "env.id",
    "epochs": "updates_per_batch",
    "frame_stack": "env.frame_stack",
    "gamma": "learner.discount",
    "gpu": "device=cuda",
    "grad_clip": "learner.max_grad_norm",
    "hidden_size": "encoder.hidden_dims",
    "hidden_sizes": "encoder.hidden_dims",
    "learning_rate": "learner.lr",
    "log_dir": "run_dir",
    "logdir": "run_dir",
    "max_steps": "total_steps",
    "n_envs": "envs_per_actor",
    "n_epochs": "updates_per_batch",
    "n_steps": "rollout_length",
    "net_arch": "encoder.hidden_dims",
    "num_envs": "envs_per_actor",
    "num_steps": "rollout_length",
    "num_workers": "num_actors",
    "optimizer": "learner.optimizer",
    "output_dir": "run_dir",
    "save_interval": "checkpoint_interval",
    "timesteps": "total_steps",
    "total_timesteps": "total_steps",
    "unroll_length": "rollout_length",
    "value_coef": "learner.baseline_coef",
    "vf_coef": "learner.baseline_coef",
}
"""Names of keys in other libraries, and the name of each key in Hsuanwu."""


def checked(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of ``hsuanwu-train`` as Hydra takes them.

    Raises:
        ConfigurationError: if one is no override and no flag; the line shows what to write.
    """
    own = {x.partition("._target_=")[0].lstrip("+") for x in arguments if "._target_=" in x}
    return [_taken(argument, own) for argument in _overrides_checked(list(arguments))]


def _overrides_checked(arguments: list[str]) -> Iterator[str]:
    rest = iter(range(len(arguments)))
    for index in rest:
        argument, following = arguments[index], arguments[index + 1 : index + 2]
        name = argument.partition("=")[0]
        if "=" in argument:
            _check_whole(arguments[index:])
        yield argument
        if argument in _FLAGS:
            continue
        if name in _FLAGS_WITH_VALUE:
            if "=" not in argument and following:
                yield arguments[next(rest)]
            continue
        if argument.startswith("-"):
            value = argument.partition("=")[2] or (following[0] if following and "=" not in following[0] else "VALUE")
            raise ConfigurationError(f"{argument}: write {name.lstrip('-').replace('-', '_')}={value}, without dashes")
        if _ENVIRONMENT.fullmatch(argument):
            raise ConfigurationError(f"{argument}: write env=gymnasium env.id={argument}")
        if "=" not in argument and not argument.startswith("~"):
            pair = f"{argument}={following[0]}" if following and "=" not in following[0] else "key=value"
            if following[:1] == ["="]:
                pair = f"{argument}={''.join(arguments[index + 2 : index + 3])}"
            raise ConfigurationError(f"{argument}: write {pair}, without spaces")


def _check_whole(words: Sequence[str]) -> None:
    """Check that the first word is whole: the shell parts at its blanks what is not quoted."""
    whole = ""
    for word in words:
        whole = f"{whole} {word}".strip()
        if all(whole.count(left) == whole.count(right) for left, right in ("[]", "{}", "()")):
            break
    else:
        return  # Hydra's grammar says what is missing
    if whole != words[0]:
        raise ConfigurationError(f"{whole.partition('=')[0]}: has blanks; quote it: '{whole}'")


def _taken(argument: str, own: Collection[str]) -> str:
    """Return an override in the form that Hydra takes, or refuse it where Hydra's words would not help.

    Args:
        argument: the override.
        own: groups whose class is the user's own.
    """
    key, equals, value = argument.partition("=")
    plain = key.lstrip("+~").partition("@")[0]
    if not equals:
        return argument
    if value.strip() == "???":
        raise ConfigurationError(f"{plain}: found ???; write a value")
    if plain in (*KINDS, "experiment") and not key.startswith("~"):
        _check_group(plain, value)
    if plain in _whole_keys() and all(_WHOLE.fullmatch(part) for part in value.split(",")):
        return f"{key}={','.join(map(_whole, value.split(',')))}"
    is_number = any(_NO_FLAG.fullmatch(part.strip()) for part in value.split(","))
    if is_number and plain.partition(".")[0] not in own and _is_flag(plain):
        raise ConfigurationError(f"{plain}: found {value}; use true or false")  # omegaconf takes any whole number
    return argument


def _check_group(group: str, value: str) -> None:
    """Check that a group is given a name, or the keys of a class; several names in a sweep."""
    known = f"; choose {group}=<one of {', '.join(options(group))}>" if group in KINDS else ""
    if value == "null":
        raise ConfigurationError(f"{group}: found null; ~{group} leaves out what a recipe chose for it{known}")
    if _NO_NAME.fullmatch(value):
        raise ConfigurationError(f"{group}: found {value}{known or '; use the name of a recipe'}")


def _whole_keys() -> set[str]:
    return {field.name for field in dataclasses.fields(RunConfig) if "int" in str(field.type)}


def _is_flag(key: str) -> bool:
    """Return whether a key is true or false: one of the run level, or of any class of its group."""
    kind, _, name = key.partition(".")
    if kind not in KINDS:
        return any(field.name == key and field.type in ("bool", bool) for field in dataclasses.fields(RunConfig))
    parameters = [constructor_parameters(cls).get(name) for cls in options(kind).values()]
    return any(parameter is not None and parameter.annotation is bool for parameter in parameters)


def _whole(text: str) -> str:
    """Return a whole number without its exponent: 1e6 is meant beyond doubt."""
    number = float(text.replace("_", ""))
    return str(int(number)) if number.is_integer() else text
