"""Which recipes and settings the sweep measures."""

import sys

import pytest
import sweep

TABLES = """
## `bench_pong`

| actors x environments | steps/s | of the best | lag |
|---|---:|---:|---:|
| auto | 2,900 | 101% | 2.0 |
| 2 x 32, 1 slots each, bfloat16, 1 threads | 2,882 | 100% | 2.0 |
| 1 x 32, 2 slots each, bfloat16, 1 threads | 2,158 | 73% | 1.0 |
"""
BEST = "2 x 32, 1 slots each, bfloat16, 1 threads"


@pytest.fixture
def measured(monkeypatch):
    """Return a function that runs the command with arguments: what it measures."""

    def run(*arguments):
        asked = []
        monkeypatch.setattr(sys, "argv", ["sweep.py", *map(str, arguments)])
        monkeypatch.setattr(sweep, "sweep", lambda *given: asked.append(given))
        monkeypatch.setattr(sweep, "table", lambda *_: "")
        sweep.main()
        return asked

    return run


def test_all_recipes_with_all_settings(measured):
    assert measured() == [(recipe, 1, None) for recipe in sweep.RECIPES]


def test_again_measures_the_winners_of_the_table_alone(measured, tmp_path):
    (tmp_path / "sweep.md").write_text(TABLES)
    assert measured("--again", tmp_path / "sweep.md", "--runs", 5) == [("bench_pong", 5, {sweep.AUTO, BEST})]
    assert BEST in dict(sweep.settings(32))


def test_recipes_that_are_named(measured, tmp_path):
    assert measured("impala_pong", "--runs", 2) == [("impala_pong", 2, None)]
