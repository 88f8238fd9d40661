"""Interquartile mean and bootstrap interval against known answers."""

import numpy as np
import pytest

from hsuanwu.engine.statistics import bootstrap_interval, interquartile_mean


@pytest.mark.parametrize(
    ("values", "expected"),
    [([5.0], 5), ([1, 3], 2), ([1, 2, 6], 3), ([-99, 1, 3, 99], 2), ([9, 1, 2, 3, 4, 5, 6, 7, -80, 70], 4.5)],
)
def test_interquartile_mean(values, expected):
    assert interquartile_mean(np.array(values, float)) == pytest.approx(expected)


def test_along_the_first_axis():
    x = np.arange(24.0).reshape(8, 3)
    assert interquartile_mean(x).tolist() == x[2:6].mean(0).tolist()


def test_interval_covers_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(0)
    runs = random.normal(3.0, 1.0, (40, 200))
    low, high = bootstrap_interval(runs)
    covered = ((low <= 3.0) & (high >= 3.0)).mean()
    assert 0.88 <= covered <= 0.99
    assert np.mean(high - low) == pytest.approx(2 * 1.96 * 1.09 / np.sqrt(40), rel=0.15)  # as wide as theory has it


def test_less_confidence_is_a_narrower_interval():
    runs = np.random.default_rng(1).normal(size=12)
    wide, narrow = bootstrap_interval(runs), bootstrap_interval(runs, 0.5)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
    assert bootstrap_interval(runs) == wide, "the same every time"
