"""Which part is called the bottleneck, and what is advised."""

import pytest

from hsuanwu.engine.bottleneck import bottleneck, shares_in_words

BUSY_ACTOR = {"environment": 0.5, "inference": 0.3, "waiting": 0.0, "transport": 0.2}
BUSY_LEARNER = {"learning": 0.8, "transport": 0.15, "reporting": 0.05, "waiting": 0.0}


def waiting(shares, part):
    """Return ``shares`` of which ``part`` is spent waiting."""
    return {**{name: share * (1 - part) for name, share in shares.items()}, "waiting": part}


def test_shares_in_words():
    expected = (
        "environment 50%, inference 30%, waiting 0%, transport 20%. "
        "The learner: learning 80%, transport 15%, reporting 5%, waiting 0%."
    )
    assert shares_in_words(BUSY_ACTOR, BUSY_LEARNER, 1) == f"The actor: {expected}"
    assert shares_in_words(BUSY_ACTOR, BUSY_LEARNER, 3) == f"Each of 3 actors: {expected}"


@pytest.mark.parametrize(
    ("part", "advice"),
    [
        ("environment", "more cores with more num_actors"),
        ("inference", "more envs_per_actor or a smaller network"),
        ("transport", "more envs_per_actor or smaller observations"),
    ],
)
def test_actors_that_keep_the_learner_waiting(part, advice):
    actor = {"environment": 0.2, "inference": 0.2, "waiting": 0.05, "transport": 0.2, part: 0.5}
    text = bottleneck(actor, waiting(BUSY_LEARNER, 0.6), num_actors=2, num_cores=8)
    assert text.startswith(f"The actors are the bottleneck, most of all {part}: {advice}")
    text = bottleneck(actor, waiting(BUSY_LEARNER, 0.6), num_actors=2, num_cores=2)
    assert text.startswith(f"All 2 cores are busy, most of all with the actors' {part}: {advice}")


@pytest.mark.parametrize("num_cores", [2, 8])
def test_actors_that_infer_on_the_cpu_beside_an_accelerator(num_cores):
    shares = waiting(BUSY_LEARNER, 0.6), 2, num_cores
    infers, steps = ({"environment": x, "inference": 0.9 - x, "waiting": 0.05, "transport": 0.05} for x in (0.3, 0.6))
    found = [bottleneck(actor, *shares, learns_on_cpu=x) for actor in (infers, steps) for x in (False, True)]
    assert ["transport=thread, which infers on the accelerator" in text for text in found] == [True, *[False] * 3]
    found = bottleneck(infers, *shares, learns_on_cpu=False, acts_on_cpu=False)
    assert "most of all inference: more envs_per_actor" in found


def test_what_an_accelerator_computes_keeps_no_core_busy():
    """Two actors, half of whose time is inference, and a learner that learns for 80 % of it: 2 or 3 cores, or 1.2."""
    actor, learner = waiting({"environment": 0.5, "inference": 0.5, "transport": 0.0}, 0.0), BUSY_LEARNER
    everything = {"num_actors": 2, "num_cores": 3}
    assert bottleneck(actor, learner, **everything).startswith("All 3 cores are busy, most of all with the actors'")
    for acts_on_cpu in (False, True):
        text = bottleneck(actor, learner, **everything, learns_on_cpu=False, acts_on_cpu=acts_on_cpu)
        assert text == "Actors and learner keep each other busy: both would have to be faster."
    assert bottleneck(actor, learner, 2, 1, learns_on_cpu=False, acts_on_cpu=False).startswith(
        "All 1 cores are busy, most of all with the actors' environment"
    )


@pytest.mark.parametrize(
    ("part", "advice"),
    [
        ("learning", "a larger batch_size or a smaller network"),
        ("transport", "smaller observations, or fewer actors with more envs_per_actor"),
        ("reporting", "a larger log_interval, checkpoint_interval or eval_interval"),
    ],
)
def test_a_learner_that_keeps_the_actors_waiting(part, advice):
    learner = {"learning": 0.2, "transport": 0.2, "reporting": 0.1, "waiting": 0.05, part: 0.5}
    text = bottleneck(waiting(BUSY_ACTOR, 0.4), learner, num_actors=2, num_cores=8)
    assert text.startswith(f"The learner is the bottleneck, most of all {part}: {advice}")


def test_who_waits_more_is_not_the_bottleneck_even_if_the_other_waits_too():
    """Waiting is never what a side is blamed for."""
    text = bottleneck(waiting(BUSY_ACTOR, 0.4), waiting(BUSY_LEARNER, 0.6), num_actors=2, num_cores=8)
    assert text.startswith("The actors are the bottleneck, most of all environment")
    text = bottleneck(waiting(BUSY_ACTOR, 0.6), waiting(BUSY_LEARNER, 0.4), num_actors=2, num_cores=8)
    assert text.startswith("The learner is the bottleneck, most of all learning")


def test_a_run_in_which_both_waited_for_something_else():
    """Until the actors' processes have started, say."""
    for takes_turns in (False, True):
        text = bottleneck(waiting(BUSY_ACTOR, 0.6), waiting(BUSY_LEARNER, 0.6), 2, 2, takes_turns)
        assert (text.startswith("Actors and learner both waited") and "a longer run" in text) is not takes_turns


@pytest.mark.parametrize(
    ("num_actors", "num_cores", "expected"),
    [
        (1, 2, "All 2 cores are busy, most of all with the learner's learning: a larger batch_size"),
        (2, 2, "All 2 cores are busy, most of all with the actors' environment: more cores"),
        (2, 8, "Actors and learner keep each other busy"),
    ],
)
def test_nobody_waits(num_actors, num_cores, expected):
    actor, learner = waiting(BUSY_ACTOR, 0.09), waiting(BUSY_LEARNER, 0.05)
    assert bottleneck(actor, learner, num_actors, num_cores).startswith(expected)


@pytest.mark.parametrize(
    ("actor_wait", "learner_wait", "is_busy"),
    [(0.45, 0.25, True), (0.45, 0.35, False), (0.52, 0.1, True), (0.6, 0.12, False)],
)
def test_cores_are_busy_if_little_of_them_is_left(actor_wait, learner_wait, is_busy):
    """Two actors and a learner on two cores: 90 % of both is 1.8 cores."""
    text = bottleneck(waiting(BUSY_ACTOR, actor_wait), waiting(BUSY_LEARNER, learner_wait), 2, 2)
    assert text.startswith("All 2 cores are busy") == is_busy


def test_what_keeps_the_cores_busy_is_counted_over_all_actors():
    """Three actors that infer for 0.3 of their time need more than a learner that learns for 0.8 of its own."""
    actor = {"environment": 0.2, "inference": 0.3, "waiting": 0.45, "transport": 0.05}
    text = bottleneck(actor, waiting(BUSY_LEARNER, 0.0), num_actors=3, num_cores=2)
    assert text.startswith("All 2 cores are busy, most of all with the actors' inference: more envs_per_actor")


@pytest.mark.parametrize("num_actors", [1, 8])
def test_environments_that_wait_for_something_else(num_actors):
    """Cores are not busy because actors step environments: a step may sleep."""
    actor = {"environment": 0.9, "inference": 0.05, "waiting": 0.0, "transport": 0.05}
    shares = actor, waiting(BUSY_LEARNER, 0.95), num_actors, 2
    text = bottleneck(*shares, processor_share=0.1)
    assert text.startswith("The environments are the bottleneck, and for 90% of the time no core is busy")
    assert "more num_actors, also more than cores" in text and "transport" not in text
    assert "; transport=process with more num_actors" in bottleneck(*shares, takes_turns=True, processor_share=0.1)
    assert "wait for something" not in bottleneck(*shares, processor_share=0.25), "other programs may be the cause"


def test_a_learner_that_is_the_bottleneck_is_so_whatever_environments_wait_for():
    text = bottleneck(waiting(BUSY_ACTOR, 0.6), waiting(BUSY_LEARNER, 0.0), 2, 8, processor_share=0.1)
    assert text.startswith("The learner is the bottleneck")


def test_taking_turns():
    text = bottleneck(BUSY_ACTOR, waiting(BUSY_LEARNER, 0.3), num_actors=1, num_cores=2, takes_turns=True)
    assert "acting took 30% of the time" in text and "transport=process" in text
