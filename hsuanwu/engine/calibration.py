"""What ``auto`` means: a short measurement of this machine, this environment and this network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.processor import busy_seconds, queue_seconds
from hsuanwu.engine import measurement
from hsuanwu.engine.build import Agent, acts_on_accelerator, check_batch_size, transport_class
from hsuanwu.engine.layout import Costs, Layout, best_layout, layouts, with_spare_slots
from hsuanwu.engine.precision import Trial, batch_seconds, costs_of, faster, trials
from hsuanwu.engine.threads import num_cores, threads
from hsuanwu.runtime.memory import keep_freed_memory

AUTO = "auto"
_KEYS = ("num_actors", "envs_per_actor", "learner_threads", "precision", "overlap")
_MEASURES = "Measuring what this machine can do, to choose what is auto"
_MUCH = 0.2
"""Of the time of a measurement, spent waiting for a core: others keep the cores busy."""
_SHORT_SECONDS, _LONG_SECONDS, _VERY_LONG_SECONDS = 0.1, 0.5, 3.0
_LONG_UPDATE_SECONDS = 10.0
_FEW_ENVS = 4
_FEW_WEIGHTS = 200_000
_MOST_ACTORS = 32
_IDLE = 0.8
"""Environments that leave a core idle for more of the time wait for something; less may be other programs' doing."""


def calibrated(cfgs: DictConfig) -> tuple[DictConfig, dict[str, Any] | None]:
    """Return ``cfgs`` with a value in place of each ``auto``, and what was measured (None: nothing had to be).

    Actors that run while the learner learns are laid out by measurement. Where they take turns with it
    (``transport=local``), nothing is measured, so that two runs are equal to the bit: one actor steps all
    environments of a batch, in float32.

    Raises:
        ConfigurationError: if no layout fits what is given.
    """
    if beside_accelerator := acts_on_accelerator(cfgs):
        cfgs = _with_all_cores(cfgs)
    if all(cfgs[key] != AUTO for key in _KEYS):
        return cfgs, None
    if beside_accelerator:
        return _beside_accelerator(cfgs)
    concurrent = transport_class(cfgs).is_concurrent
    # where they take turns, what is chosen must not depend on the machine
    cores = num_cores() if concurrent else 1
    candidates = _candidates(cfgs, cores, (1,))
    if not concurrent:
        return _chosen(cfgs, candidates[0], "float32", spare_cores=0), None
    keep_freed_memory()
    return _measured(cfgs, cores)


def _with_all_cores(cfgs: DictConfig) -> DictConfig:
    """Let environments step in as many threads as there are cores, if they can and nobody said how many."""
    if "num_threads" in cfgs.env and cfgs.env.num_threads is None:
        return _with(cfgs, env={"num_threads": num_cores()})
    return cfgs


def _beside_accelerator(cfgs: DictConfig) -> tuple[DictConfig, dict[str, Any]]:
    """Choose for actors that share an accelerator and the interpreter's lock with the learner.

    Few of them, with many environments each: three with half a batch, if nothing is given, so that there are always
    some that step while others are inferred, and less is under way than with two that have a whole one.
    """
    print(_MEASURES, flush=True)
    start, cores = perf_counter(), num_cores()
    halves = cfgs.num_actors == cfgs.envs_per_actor == AUTO and cfgs.batch_size % 2 == 0
    layout = Layout(3, cfgs.batch_size // 2, 2) if halves else _candidates(cfgs, 2, (1,))[-1]
    with threads(1):
        tried = trials(cfgs)
    precision = faster(tried, lambda name: 1.0 / tried[name].seconds)
    result = _chosen(cfgs, layout, precision, spare_cores=0)
    return result, {
        "seconds": perf_counter() - start,
        "num_cores": cores,
        "work_seconds": _work_seconds(tried),
        "chosen": _told(result),
    }


def warnings_of(cfgs: DictConfig, measured: Mapping[str, Any] | None) -> list[str]:
    """Return lines about what is to be expected of a run, and of its measurement.

    Args:
        cfgs: what ``calibrated`` returned, without ``auto``.
        measured: what it measured.
    """
    lines, measured = [], measured or {}
    waited = measured.get("waited_for_a_core", 0.0)
    if waited > _MUCH:
        lines.append(
            f"Other programs use the cores: the measurement waited for one for {waited:.0%} of its time, and on an "
            "idle machine it may choose otherwise"
        )
    speed = measured.get("promised_steps_per_second")
    seconds = cfgs.batch_size * cfgs.rollout_length / speed if speed else 0.0
    if seconds > _LONG_UPDATE_SECONDS:
        lines.append(
            f"An update takes batch_size={cfgs.batch_size} x rollout_length={cfgs.rollout_length} steps, about "
            f"{seconds:,.0f} s here"
        )
    return lines


def _candidates(cfgs: DictConfig, most_actors: int, learner_threads: Sequence[int]) -> list[Layout]:
    slots_per_actor = cfgs.storage.get("slots_per_actor")
    given = _given(cfgs.num_actors), _given(cfgs.envs_per_actor), slots_per_actor
    candidates = list(layouts(cfgs.batch_size, most_actors, *given, learner_threads))
    if not candidates:
        if None not in given:
            check_batch_size(cfgs, given[0] * given[2])
        slots = "null" if slots_per_actor is None else slots_per_actor
        raise ConfigurationError(
            f"batch_size: found {cfgs.batch_size}, which num_actors={cfgs.num_actors}, envs_per_actor="
            f"{cfgs.envs_per_actor} and storage.slots_per_actor={slots} cannot fill without more than two batches "
            "under way; change one of them"
        )
    return candidates


def _measured(cfgs: DictConfig, cores: int) -> tuple[DictConfig, dict[str, Any]]:
    print(_MEASURES, flush=True)
    start, queue = perf_counter(), queue_seconds()
    with threads(1):
        tried = trials(cfgs)
        guess = faster(tried, lambda name: 1.0 / tried[name].seconds)
        counts = _thread_counts(cfgs, tried[guess].agent, cores)
        candidates = _candidates(cfgs, cores, counts)
        costs = _costs(cfgs, tried[guess], candidates)
        if costs.idle > 0.0:
            candidates = _candidates(cfgs, max(cores, _MOST_ACTORS), counts)
    batch = cfgs.batch_size, cfgs.rollout_length
    steps = cfgs.batch_size * cfgs.rollout_length
    # less work is not always more speed: actors and learner work side by side, and one of them waits
    costs_in = {name: costs_of(trial, tried[guess], costs, steps) for name, trial in tried.items()}
    best = {name: best_layout(candidates, x, *batch, cores) for name, x in costs_in.items()}
    precision = faster(tried, lambda name: best[name][1])
    costs, (layout, speed) = costs_in[precision], best[precision]
    if cfgs.storage.get("slots_per_actor") is None:
        layout = with_spare_slots(layout, costs.learn[layout.learner_threads], steps / speed, cores)
    result = _chosen(cfgs, layout, precision, cores - layout.num_actors - layout.learner_threads)
    seconds = perf_counter() - start
    return result, {
        "seconds": seconds,
        "waited_for_a_core": (queue_seconds() - queue) / seconds,
        "num_cores": cores,
        "work_seconds": _work_seconds(tried),
        "act_seconds": {str(size): seconds for size, seconds in costs.act},
        "update_seconds": {str(threads): seconds / cfgs.updates_per_batch for threads, seconds in costs.learn.items()},
        "idle": costs.idle,
        "promised_steps_per_second": speed,
        "chosen": _told(result),
    }


def _told(cfgs: DictConfig) -> dict[str, Any]:
    """Return what is chosen."""
    return {**{key: cfgs[key] for key in _KEYS}, "slots_per_actor": cfgs.storage.get("slots_per_actor")}


def _work_seconds(tried: Mapping[str, Trial]) -> dict[str, float]:
    """Return what the work for a batch takes in each precision, if there is more than one to choose from."""
    return {name: trial.seconds for name, trial in tried.items() if trial.seconds}


def _thread_counts(cfgs: DictConfig, agent: Agent, cores: int) -> tuple[int, ...]:
    """Return how many threads the learner may be given; threads cost a small network more than they bring."""
    if cfgs.learner_threads != AUTO:
        return (cfgs.learner_threads,)
    num_weights = sum(weight.numel() for weight in agent.learner.learner.parameters())
    return (1,) if num_weights < _FEW_WEIGHTS or agent.device.type != "cpu" else (1, cores)


def _chosen(cfgs: DictConfig, layout: Layout, precision: str, spare_cores: int) -> DictConfig:
    values = {
        "num_actors": layout.num_actors,
        "envs_per_actor": layout.envs_per_actor,
        "precision": precision,
        "learner_threads": layout.learner_threads,
        "overlap": spare_cores >= layout.num_actors,
    }
    result = _with(cfgs, **{key: value for key, value in values.items() if cfgs[key] == AUTO})
    if "slots_per_actor" in result.storage and result.storage.slots_per_actor is None:
        result.storage.slots_per_actor = layout.slots_per_actor
    return result


def _with(cfgs: DictConfig, **values: Any) -> DictConfig:
    return cast(DictConfig, OmegaConf.merge(cfgs, values))


def _given(value: int | str) -> int | None:
    return None if value == AUTO else int(value)


def _costs(cfgs: DictConfig, trial: Trial, candidates: list[Layout]) -> Costs:
    """Measure what one step of few and of many environments takes, and the updates of one batch."""
    sizes = sorted({layout.envs_per_actor for layout in candidates})
    learn = {}
    for count in sorted({layout.learner_threads for layout in candidates}):
        with threads(count):
            known = trial.learn if count == 1 else 0.0
            learn[count] = known or batch_seconds(cfgs, trial.agent) * cfgs.updates_per_batch
    start, busy = perf_counter(), busy_seconds()
    act = _act_costs(cfgs, trial.agent, sizes[0], sizes[-1])
    return Costs(act, learn, _idle(perf_counter() - start, busy_seconds() - busy))


def _idle(seconds: float, busy: float) -> float:
    """Return what fraction of the time cores were idle; 0 where other programs may have been the cause.

    Args:
        seconds: that were measured.
        busy: in which this process computed, or waited for a core.
    """
    idle = 1.0 - busy / seconds
    return idle if seconds > _SHORT_SECONDS and idle > _IDLE else 0.0


def _act_costs(cfgs: DictConfig, agent: Agent, few: int, many: int) -> tuple[tuple[int, float], tuple[int, float]]:
    """Measure steps of few and of many environments; of fewer still where it takes long to build or to step them."""
    start, least = perf_counter(), min(few, _FEW_ENVS)
    seconds = measurement.act_seconds(cfgs, agent, least)
    if perf_counter() - start > _VERY_LONG_SECONDS:
        return (least, seconds), (2 * least, 2 * seconds)
    if perf_counter() - start > _LONG_SECONDS:
        few, many = least, min(many, 2 * least)
    if few > least:
        seconds = measurement.act_seconds(cfgs, agent, few)
    return (few, seconds), (many, measurement.act_seconds(cfgs, agent, many) if many > few else seconds)
