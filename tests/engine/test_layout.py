"""Which layouts there are, what speed each promises, and which one is taken."""

from dataclasses import replace

import pytest

from hsuanwu.engine.layout import Costs, Layout, best_layout, layouts, steps_per_second, with_spare_slots


@pytest.mark.parametrize("num_cores", [1, 2, 3, 6, 16])
@pytest.mark.parametrize("batch_size", [1, 5, 6, 32, 64, 1000])
def test_all_fill_batches_and_keep_two_of_them_at_most_in_flight(batch_size, num_cores):
    found = list(layouts(batch_size, num_cores))
    assert found and len(set(found)) == len(found)
    for layout in found:
        assert 1 <= layout.num_actors <= num_cores
        assert batch_size % layout.envs_per_actor == 0, "slots make whole batches"
        in_flight = layout.num_actors * layout.envs_per_actor * layout.slots_per_actor
        assert batch_size <= in_flight <= 2 * batch_size


def test_one_core():
    assert list(layouts(64, 1)) == [Layout(1, 64, 2)]


def test_two_cores():
    found = list(layouts(64, 2))
    assert found == [Layout(1, 64, 2), Layout(2, 32, 2), Layout(2, 64, 1)]


def test_actors_that_do_not_share_a_batch_evenly_are_not_considered():
    assert {layout.num_actors for layout in layouts(64, 7)} == {1, 2, 4}
    assert {layout.num_actors for layout in layouts(9, 7)} == {1, 2, 3, 6}, "two batches may be shared evenly, too"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"num_actors": 4}, [Layout(4, 16, 2), Layout(4, 32, 1)]),
        ({"num_actors": 3}, [Layout(3, 16, 2), Layout(3, 32, 1)]),
        ({"num_actors": 1}, [Layout(1, 64, 2)]),
        ({"envs_per_actor": 16}, [Layout(1, 16, 8), Layout(2, 16, 4)]),
        ({"slots_per_actor": 1}, [Layout(1, 64, 1), Layout(2, 32, 1), Layout(2, 64, 1)]),
        ({"num_actors": 3, "envs_per_actor": 16}, [Layout(3, 16, 2)]),
        ({"num_actors": 8, "envs_per_actor": 64}, [Layout(8, 64, 1)]),
        ({"num_actors": 2, "envs_per_actor": 16, "slots_per_actor": 3}, [Layout(2, 16, 3)]),
    ],
    ids=str,
)
def test_what_is_given_stays(given, expected):
    assert list(layouts(64, 2, **given)) == expected


@pytest.mark.parametrize(
    "given",
    [
        {"envs_per_actor": 48},
        {"envs_per_actor": 128},
        {"num_actors": 129},
        {"num_actors": 1, "envs_per_actor": 16, "slots_per_actor": 3},
        {"num_actors": 1, "envs_per_actor": 8, "slots_per_actor": 1},
    ],
    ids=str,
)
def test_what_cannot_fill_a_batch_is_none(given):
    assert list(layouts(64, 2, **given)) == []


def test_threads_of_the_learner_double_the_choice():
    one, both = list(layouts(64, 2)), list(layouts(64, 2, learner_threads=(1, 2)))
    assert set(both) == {replace(layout, learner_threads=threads) for layout in one for threads in (1, 2)}
    assert len(both) == 2 * len(one) and [layout.learner_threads for layout in one] == [1] * len(one)


def test_the_cost_of_a_step_is_a_line():
    costs = Costs(act=((10, 1.0), (30, 2.0)), learn={1: 1.0})
    assert [costs.act_seconds(size) for size in (10, 20, 30, 50)] == pytest.approx([1.0, 1.5, 2.0, 3.0])
    assert costs.act_seconds(5) == pytest.approx(0.75)
    steep = Costs(act=((10, 1.0), (20, 4.0)), learn={1: 1.0})
    assert steep.act_seconds(5) == pytest.approx(0.5), "never cheaper an environment than with few, nor below 0"
    assert Costs(act=((10, 1.0), (10, 1.0)), learn={1: 1.0}).act_seconds(10) == 1.0


@pytest.mark.parametrize(
    ("learn", "num_cores", "expected"),
    [
        (16.0, 4, 20.0),  # 320 steps of a batch in 16 s: the learner
        (1.0, 8, 32.0),  # 2 actors, 16 steps a second each: the actors
        (10.0, 2, 2 / (10 / 320 + 1 / 16 + 2 * 0.0015 / 320)),  # all cores, busy with both, and waiting for their turn
        (10.0, 1, 1 / (10 / 320 + 1 / 16 + 0.0015 / 320)),
        (10.0, 3, 32.0),  # a core for each
    ],
)
def test_the_slowest_part_bounds_the_speed(learn, num_cores, expected):
    costs = Costs(act=((32, 2.0), (64, 4.0)), learn={1: learn})
    speed = steps_per_second(Layout(2, 32, 2), costs, batch_size=64, rollout_length=5, num_cores=num_cores)
    assert speed == pytest.approx(expected)


@pytest.mark.parametrize(
    ("threads", "num_actors", "num_cores", "expected"),
    [
        (4, 2, 4, 1 / (0.05 / 4 / 0.9 + 0.0625 / 2)),
        (4, 2, 1, 1 / (0.05 / 4 / 0.9 + 0.0625 / 1)),
        (2, 8, 4, 1 / (0.05 / 2 / 0.9 + 0.0625 / 4)),
    ],
)
def test_a_learner_with_many_threads_takes_turns_with_the_actors(threads, num_actors, num_cores, expected):
    costs = Costs(act=((32, 2.0), (64, 4.0)), learn={threads: 16.0 / threads})
    layout = Layout(num_actors, 32, 2, threads)
    speed = steps_per_second(layout, costs, batch_size=64, rollout_length=5, num_cores=num_cores)
    assert speed == pytest.approx(expected)


@pytest.mark.parametrize(
    ("layout", "idle", "expected"),
    [
        (Layout(8, 8, 2), 0.0, 2 / (0.01 / 320 + 0.1 + 2 * 0.0015 / 320)),  # eight actors share two cores
        (Layout(8, 8, 2), 0.9, 80.0),  # each of them steps, whatever cores there are: a step takes 0.1 s
        (Layout(2, 8, 8), 0.9, 20.0),
        (Layout(8, 8, 2, 2), 0.0, 1 / (0.01 / 320 / 0.9 + 0.1 / 2)),
        (Layout(8, 8, 2, 2), 0.9, 1 / (0.01 / 320 / 0.9 + 0.1 / 8)),
    ],
)
def test_environments_that_wait_share_cores_without_loss(layout, idle, expected):
    costs = Costs(act=((4, 0.4), (8, 0.8)), learn={1: 0.01, 2: 0.01}, idle=idle)
    speed = steps_per_second(layout, costs, batch_size=64, rollout_length=5, num_cores=2)
    assert speed == pytest.approx(expected, rel=1e-3)


def best(costs, num_cores=2, candidates=None):
    candidates = candidates if candidates is not None else list(layouts(64, num_cores))
    return best_layout(candidates, costs, batch_size=64, rollout_length=10, num_cores=num_cores)


@pytest.mark.parametrize(("unit", "num_cores", "expected"), [(1e-3, 2, 1), (1e-2, 2, 2), (1e-3, 3, 2)])
def test_short_batches_are_not_worth_more_processes_than_cores(unit, num_cores, expected):
    # a batch takes 3 units to act and 2 to learn: cores that are always busy would bring a sixth
    costs = Costs(act=((32, 0.3 * unit), (64, 0.3 * unit)), learn={1: 2.0 * unit})
    chosen, _ = best(costs, num_cores, [Layout(1, 64, 2), Layout(2, 64, 1)])
    assert chosen.num_actors == expected


def test_two_actors_where_acting_takes_longest():
    chosen, speed = best(Costs(act=((32, 1.0), (64, 2.0)), learn={1: 0.1}))
    assert chosen == Layout(2, 32, 2)
    assert speed == steps_per_second(chosen, Costs(act=((32, 1.0), (64, 2.0)), learn={1: 0.1}), 64, 10, 2)


def test_one_actor_where_learning_takes_longest():
    assert best(Costs(act=((32, 0.01), (64, 0.02)), learn={1: 100.0}))[0] == Layout(1, 64, 2)


def test_many_environments_where_a_step_costs_the_same_for_few():
    assert best(Costs(act=((32, 1.0), (64, 1.0)), learn={1: 0.1}))[0] == Layout(2, 64, 1)


def test_more_environments_must_be_worth_it():
    """Two actors of 64 environments are 2 % faster than of 32, then 5 %."""
    candidates = [Layout(2, 64, 1), Layout(2, 32, 2)]
    for gain, expected in ((1.02, Layout(2, 32, 2)), (1.05, Layout(2, 64, 1))):
        costs = Costs(act=((32, 1.0), (64, 2.0 / gain)), learn={1: 0.001})
        chosen, speed = best(costs, 4, candidates)
        assert chosen == expected and speed == steps_per_second(chosen, costs, 64, 10, 4)


def test_more_threads_if_they_cost_little():
    """With two threads, updates of 0.45 s (of nine tenths of the cores) and acting for 0.5 s a batch take 1 s."""
    candidates = [Layout(1, 64, 2, 1), Layout(1, 64, 2, 2)]
    for learn, expected in ((1.0, 2), (0.98, 2), (0.9, 1)):
        acting = 0.5 * 0.1  # of a step
        costs = Costs(act=((64, acting), (64, acting)), learn={1: learn, 2: 0.45})
        assert best(costs, 4, candidates)[0].learner_threads == expected


def test_threads_that_bring_little_are_not_taken():
    """What a second thread brings is measured, not supposed."""
    candidates = [Layout(2, 32, 2, 1), Layout(2, 32, 2, 2)]
    for with_two, expected in ((0.55, 2), (0.8, 1)):
        costs = Costs(act=((32, 0.02), (64, 0.04)), learn={1: 1.0, 2: with_two})
        assert best(costs, 2, candidates)[0].learner_threads == expected


@pytest.mark.parametrize(
    ("layout", "learn", "batch_seconds", "num_cores", "slots"),
    [
        (Layout(2, 64, 1), 0.005, 0.01, 2, 2),
        (Layout(2, 64, 1), 0.009, 0.01, 2, 1),  # the learner has no time left: data would only be older
        (Layout(2, 64, 1), 0.05, 0.1, 2, 1),  # a batch takes so long that nothing would be gained
        (Layout(2, 64, 1), 0.005, 0.01, 3, 1),  # a core for each
        (Layout(1, 64, 1), 0.005, 0.01, 1, 1),  # nobody who could use another core
        (Layout(2, 64, 1, learner_threads=2), 0.005, 0.01, 2, 1),  # they take turns
        (Layout(1, 64, 2), 0.005, 0.01, 2, 2),
    ],
)
def test_spare_slots_where_cores_would_wait(layout, learn, batch_seconds, num_cores, slots):
    found = with_spare_slots(layout, learn, batch_seconds, num_cores)
    assert found == replace(layout, slots_per_actor=slots)
