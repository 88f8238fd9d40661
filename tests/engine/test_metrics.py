"""What a line of the log says of a window, and which side is called the bottleneck."""

import pytest

from hsuanwu.engine.metrics import Window, bottleneck


@pytest.mark.parametrize(
    ("learner_wait", "actor_wait", "expected"),
    [
        (0.6, 0.1, "The actors are the bottleneck: the learner waited 60% of its time, the actors 10% of theirs"),
        (0.1, 0.6, "The learner is the bottleneck"),
        (0.3, 0.35, "Balanced"),
    ],
)
def test_bottleneck(learner_wait, actor_wait, expected):
    assert bottleneck(learner_wait, actor_wait).startswith(expected)


def test_an_empty_window_has_no_episode():
    line = Window(1).read()
    assert line["episodes"] == 0 and line["episode_return"] is None
