import math
import pickle

import pytest

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.ops.schedules import SCHEDULES, constant, cosine, linear, schedule

FRACTIONS = [i / 20 for i in range(21)]


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_starts_at_1(name):
    assert schedule(name)(0.0) == 1.0
    assert schedule(name)(0.25, warmup=0.25) == 1.0


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_warms_up_in_a_straight_line(name):
    assert [schedule(name)(x, end=0.3, warmup=0.4) for x in (0.0, 0.1, 0.3)] == pytest.approx([0.0, 0.25, 0.75])


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_stays_at_its_end(name):
    final = 1.0 if name == "constant" else 0.1
    for warmup in (0.0, 0.3):
        assert schedule(name)(1.0, end=0.1, warmup=warmup) == pytest.approx(final)
        assert schedule(name)(1.7, end=0.1, warmup=warmup) == pytest.approx(final)


@pytest.mark.parametrize("name", SCHEDULES)
def test_no_schedule_rises_after_the_warmup(name):
    values = [schedule(name)(x, end=0.2) for x in FRACTIONS]
    assert values == sorted(values, reverse=True)


def test_shapes():
    assert [constant(x) for x in FRACTIONS] == [1.0] * 21
    assert [linear(x) for x in FRACTIONS] == pytest.approx([1 - x for x in FRACTIONS])
    assert [linear(x, end=0.5) for x in FRACTIONS] == pytest.approx([1 - x / 2 for x in FRACTIONS])
    assert [cosine(x) for x in FRACTIONS] == pytest.approx([(1 + math.cos(math.pi * x)) / 2 for x in FRACTIONS])
    assert linear(0.6, warmup=0.2) == pytest.approx(0.5)
    assert cosine(0.6, end=0.2, warmup=0.2) == pytest.approx(0.6)
    assert linear(1.0, end=2.0) == 2.0


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_can_be_pickled(name):
    assert pickle.loads(pickle.dumps(schedule(name))) is SCHEDULES[name]


def test_unknown_names_list_the_options():
    with pytest.raises(ConfigurationError, match=r"^schedule: found 'liner', .* one of constant, linear, cosine$"):
        schedule("liner")


@pytest.mark.parametrize("warmup", [-0.1, 1.0, math.nan])
def test_warmup_must_leave_some_of_the_run(warmup):
    with pytest.raises(ConfigurationError, match=r"^warmup: found"):
        linear(0.5, warmup=warmup)


@pytest.mark.parametrize("fraction", [-0.1, math.nan])
def test_fractions_are_at_least_0(fraction):
    with pytest.raises(ValueError, match=r"^fraction: found"):
        linear(fraction)
