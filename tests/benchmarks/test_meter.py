"""The clock of the peers' programs counts from the end of the warm-up."""

import sys

import meter
import pytest


@pytest.fixture
def clock(monkeypatch):
    """Give the meter a clock that shows what the test says."""

    class Clock:
        now = 100.0

    monkeypatch.setattr(meter.time, "perf_counter", lambda: Clock.now)
    return Clock


def test_speed_is_counted_from_the_end_of_the_warm_up_to_the_end(clock):
    measured = meter.Meter(seconds=10.0)
    over = []
    for clock.now, steps in [(100, 5), (101, 1000), (102, 2000), (107, 3000), (111, 4000), (113, 5300)]:
        over.append(measured(steps))
    assert over == [False, False, False, False, False, True]
    assert measured.steps_per_second == 300.0


def test_the_warm_up_begins_with_the_first_steps(clock):
    measured = meter.Meter(seconds=10.0)
    for clock.now, steps in [(90, 0), (100, 5), (101, 9), (102, 10), (112, 30)]:
        over = measured(steps)
    assert over and measured.steps_per_second == 2.0


@pytest.mark.parametrize("reports", [[(100, 5), (105, 10)], [(100, 5), (105, 10), (115, 10)]])
def test_too_little_training_is_an_error(clock, reports):
    measured = meter.Meter(seconds=10.0)
    for clock.now, steps in reports:
        measured(steps)
    with pytest.raises(SystemExit, match="no step was trained on"):
        _ = measured.steps_per_second


def test_settings_are_those_of_the_workload_with_changes(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["peer.py", "--workload", "pong", "--set", "envs=8", "kind=A2C", "fast=true"])
    arguments = meter.parse({"pong": {"envs": 4, "kind": "PPO", "steps": 5}, "cartpole": {"envs": 1}})
    assert arguments.settings == {"envs": 8, "kind": "A2C", "steps": 5, "fast": True}


def test_an_unknown_workload_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["peer.py", "--workload", "chess"])
    with pytest.raises(SystemExit):
        meter.parse({"pong": {}})
    assert "chess" in capsys.readouterr().err
