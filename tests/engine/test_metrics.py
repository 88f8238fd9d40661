"""What a line of the log says of a window, and what the time of a run went to."""

import json

import numpy as np
import pytest
import torch

from hsuanwu.common.errors import EnvironmentWarning
from hsuanwu.common.slot import Activity, Slot
from hsuanwu.common.spaces import Box, Discrete
from hsuanwu.engine import DistributedTrainer, metrics
from hsuanwu.engine.metrics import Phases, Window
from hsuanwu.runtime import stopwatch
from hsuanwu.testing.trajectory import random_trajectory

PHASES = {"start": 7.0, "wait": 2.0, "batch": 0.5, "update": 4.0, "publish": 0.25, "report": 1.25}


class Clock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(metrics, "perf_counter", clock)
    return clock


def slot_of(seconds, returns=(), lengths=(), processor=0.0):
    """Return a slot of four environments in which episodes of ``lengths`` ended."""
    episode_return, episode_length = torch.zeros(1, 4, dtype=torch.float64), torch.zeros(1, 4, dtype=torch.int64)
    episode_return[0, : len(returns)] = torch.tensor(returns)
    episode_length[0, : len(lengths)] = torch.tensor(lengths)
    batch = random_trajectory(Box(0, 1, (1,)), Discrete(2), num_steps=1, num_envs=4)
    times = torch.tensor(seconds, dtype=torch.float64), torch.tensor([processor], dtype=torch.float64)
    return Slot(0, 0, 0, batch, episode_return, episode_length, *times)


def window_of(num_actors, clock):
    window = Window(num_actors)
    window.phases = Phases(_last=clock())
    return window


def live(window, clock, phases):
    for phase, seconds in phases.items():
        clock.now += seconds
        window.phases.lap(phase)


def test_how_episodes_ended_and_what_they_told():
    window = Window(1)
    for outcomes in ({"terminated": (3, 1.0), "truncated": (3, 2.0), "info_x": (2, 3.0)}, {}, {"info_x": (1, 0.0)}):
        slot = slot_of([0.0] * 4)
        slot.outcomes = outcomes
        window.add_slots([slot])
    line = window.read()
    assert (line["episodes_terminated"], line["episodes_truncated"], line["info_x"]) == (1, 2, 1.0)
    line = window.read()
    assert (line["episodes_terminated"], line["episodes_truncated"]) == (0, 0) and "info_x" not in line


def test_names_in_info_that_change_from_episode_to_episode():
    window, slot = Window(1), slot_of([0.0] * 4)
    slot.outcomes = {f"info_{i}": (1, 0.0) for i in range(30)}
    window.add_slots([slot])
    slot.outcomes = {"terminated": (1, 1.0)} | {f"info_{i}": (1, 1.0) for i in range(29, 40)}
    with pytest.warns(EnvironmentWarning, match="by more than 32 names"):
        window.add_slots([slot])
    line = window.read()
    infos = {name: value for name, value in line.items() if name.startswith("info_")}
    assert infos == {f"info_{i}": {29: 0.5, 30: 1.0, 31: 1.0}.get(i, 0.0) for i in range(32)}
    with pytest.warns(EnvironmentWarning):
        window.add_slots([slot])
    assert len(infos) == 32 and "info_32" not in window.read(), "those of the run, not of the window"


def test_an_empty_window_has_no_episode():
    line = Window(1).read()
    assert line["episodes"] == 0 and line["episode_return"] is None


def test_episodes_of_a_window():
    window = Window(2)
    finished = window.add_slots([slot_of([0] * 4, (1.5, -3.0), (4, 2)), slot_of([0] * 4, (0.0,), (9,))])
    assert finished == [(1.5, 4), (-3.0, 2), (0.0, 9)]
    line = window.read()
    assert line["episodes"] == 3
    assert (line["episode_return"], line["episode_return_min"], line["episode_return_max"]) == (-0.5, -3.0, 1.5)
    assert (line["episode_length"], line["episode_length_min"], line["episode_length_max"]) == (5.0, 2.0, 9.0)
    assert window.read()["episodes"] == 0


def test_lag_and_metrics_are_means_over_updates():
    window, batch = Window(1), slot_of([0] * 4).trajectory  # versions 0 to 3
    window.add_update({"loss": 2.0}, batch, steps=10, version=3)
    window.add_update({"loss": 5.0}, batch, steps=10, version=5)
    line = window.read()
    assert line["loss"] == 3.5
    assert line["policy_lag"] == pytest.approx((1.5 + 3.5) / 2) and line["policy_lag_max"] == 5


def test_seconds_of_a_line(clock):
    window = window_of(2, clock)
    live(window, clock, PHASES)
    window.add_slots([slot_of([1.0, 2.0, 4.0, 0.5], processor=2.5), slot_of([2.0, 0.0, 1.0, 0.5], processor=1.5)])
    window.add_update({}, slot_of([0] * 4).trajectory, steps=60, version=0)
    line = window.read()
    assert line["window_seconds"] == sum(PHASES.values())
    assert {name: line[f"learner_{name}_seconds"] for name in PHASES} == PHASES
    # a mean over two actors
    expected = {"environment": 1.5, "inference": 1.0, "waiting": 2.5, "transport": 0.5}
    assert {a.name.lower(): line[f"actor_{a.name.lower()}_seconds"] for a in Activity} == expected
    assert line["processor_seconds"] == 2.0
    assert line["steps_per_second"] == 60 / 15
    assert line["actor_steps_per_second"] == 60 / 3.0
    assert line["learner_steps_per_second"] == 60 / 13
    live(window, clock, {"update": 3.0})
    line = window.read()
    assert (line["window_seconds"], line["learner_update_seconds"], line["actor_waiting_seconds"]) == (3.0, 3.0, 0.0)


def test_shares_of_the_whole_run(clock):
    window = window_of(2, clock)
    for _ in range(2):  # they are of all windows
        live(window, clock, PHASES)
        window.add_slots([slot_of([1.0, 2.0, 4.0, 1.0]), slot_of([2.0, 0.0, 4.0, 2.0])])
        window.read()
    live(window, clock, {"update": 8.0})
    window.read()
    shares = window.time_shares()
    assert shares["actor"] == pytest.approx(
        {"environment": 3 / 16, "inference": 2 / 16, "waiting": 8 / 16, "transport": 3 / 16}
    )
    # the start counts for nothing, collecting and publishing are transport
    assert shares["learner"] == pytest.approx(
        {"learning": 16 / 24, "transport": 1.5 / 24, "reporting": 2.5 / 24, "waiting": 4 / 24}
    )


@pytest.mark.parametrize(("processor", "share"), [(0.0, 0.0), (1.0, 0.25), (4.0, 1.0), (9.0, 1.0)])
def test_how_busy_an_actor_keeps_a_core(processor, share):
    """Of 4 seconds in which it does not wait; native vectors keep more than one core busy."""
    window = Window(1)
    assert window.actor_processor_share() == 1.0
    for _ in range(2):  # of all windows
        window.add_slots([slot_of([3.0, 0.5, 6.0, 0.5], processor=processor)])
        window.read()
    assert window.actor_processor_share() == share


def test_shares_of_nothing():
    shares = Window(1).time_shares()
    assert set(shares["actor"]) == {activity.name.lower() for activity in Activity}
    assert set(shares["learner"]) == {"learning", "transport", "reporting", "waiting"}
    assert not np.any([*shares["actor"].values(), *shares["learner"].values()])


def seconds_of(lines, prefix):
    pairs = (pair for line in lines for pair in line.items())
    return sum(value for name, value in pairs if name.startswith(prefix) and name.endswith("_seconds"))


class Ticking:
    """A clock of which each look is a second later than the one before: what is not looked at takes no time."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


def test_the_time_of_a_whole_run_is_accounted_for(composed, monkeypatch):
    """What the learner and the actors say that they did fills the time of all lines."""
    ticking = Ticking()
    for module in (metrics, stopwatch):
        monkeypatch.setattr(module, "perf_counter", ticking)
    trainer = DistributedTrainer(composed("total_steps=4000", "log_interval=500"))
    trainer.train()
    lines = [json.loads(line) for line in trainer.folder.metrics.read_text().splitlines()]
    assert len(lines) == 8
    for line in lines[1:]:
        assert seconds_of([line], "learner_") == pytest.approx(line["window_seconds"], abs=2)
    batch = line["window_seconds"] / 7  # in which the actors' last slots were filled
    wall = sum(line["window_seconds"] for line in lines)
    assert seconds_of(lines, "actor_") == pytest.approx(wall, abs=batch)


def test_shares_of_a_run_with_processes(composed):
    summary = DistributedTrainer(composed("transport=process", "log_interval=200")).train()
    for shares in summary["time"].values():
        assert sum(shares.values()) == pytest.approx(1)
        assert min(shares.values()) > 0
    assert summary["bottleneck"].endswith(".")
