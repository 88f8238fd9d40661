"""The ladder's table comes from logs alone, and every rung is a recipe."""

import json
from importlib import resources

import ladder
import learn
import pytest

RECIPES = {path.name.removesuffix(".yaml") for path in (resources.files("hsuanwu.cfgs") / "experiment").iterdir()}


def write(folder, lines):
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("total_steps: 1000\n")
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def lines_of(final, steps=1000):
    rows = [
        {"step": step, "episodes": 2, "episode_return": step / 100, "window_seconds": 6.0}
        for step in range(100, steps + 1, 100)
    ]
    return [*rows, {"step": steps, "eval_episode_return": final}]


@pytest.fixture
def pages(tmp_path, monkeypatch):
    table = tmp_path / "learning.md"
    table.write_text(f"before\n{learn.BEGIN}\nold\n{learn.END}\nafter\n")
    monkeypatch.setattr(learn, "TABLE", table)
    monkeypatch.setattr(learn, "PICTURES", tmp_path / "pictures")
    return table


def test_every_rung_is_a_recipe_and_every_recipe_that_learns_a_rung():
    rungs = {task.recipe for task in ladder.LADDER}
    assert rungs <= RECIPES and len(ladder.LADDER) == len(rungs) == 15
    assert {name for name in RECIPES if name.startswith("impala")} - rungs == {"impala_pong_deep"}


def test_table_and_pictures(tmp_path, pages, monkeypatch):
    task = ladder.Task("impala_cartpole", (ladder.Bar(4.6, 500), ladder.Bar(475)), "A2C 500")
    other = ladder.Task("impala_acrobot", (ladder.Bar(-90),), "")
    monkeypatch.setattr(learn, "LADDER", (task, other))
    for seed, final in enumerate((500.0, 300.0, 480.0)):
        write(tmp_path / "runs" / task.recipe / str(seed), lines_of(final))
    learn.report(tmp_path / "runs")
    text = pages.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    rows = [line for line in text.splitlines() if "impala" in line]
    assert "| 500 | 4.6 | **5** | 5 to 5 | 3 | 1.0 | A2C 500 |" in rows[0]
    assert "| 1,000 | 475 | **480** | 300 to 500 | 3 | 1.0 |" in rows[1]
    assert "not run" in rows[2]
    assert (tmp_path / "pictures" / "impala_cartpole.png").exists()


def test_a_recipe_without_runs_keeps_its_rows(tmp_path, pages, monkeypatch):
    learned, other = ladder.Task("impala_cartpole", (ladder.Bar(475),), ""), ladder.Task("impala_acrobot", (), "")
    monkeypatch.setattr(learn, "LADDER", (learned, other))
    row = "| [`impala_acrobot`](images/learning/impala_acrobot.png) | 500,077 | -90 | **-80** | | 3 | 0.6 | |"
    pages.write_text(f"{learn.BEGIN}\nhead\n| `impala_cartpole` | old |\n{row}\n{learn.END}\nafter\n")
    write(tmp_path / "runs" / "impala_cartpole" / "1", lines_of(500.0))
    learn.report(tmp_path / "runs")
    assert row in pages.read_text() and "old" not in pages.read_text()


def test_a_bar_that_is_missed_is_not_bold(tmp_path, pages, monkeypatch):
    monkeypatch.setattr(learn, "LADDER", (ladder.Task("impala_acrobot", (ladder.Bar(-90),), ""),))
    write(tmp_path / "runs" / "impala_acrobot" / "1", lines_of(-95.0))
    learn.report(tmp_path / "runs")
    assert "| -95 |" in pages.read_text() and "**" not in pages.read_text()


def test_a_run_that_was_stopped_does_not_count(tmp_path):
    write(tmp_path / "run", lines_of(1.0)[:-1])
    assert learn.read(tmp_path / "run") is None and learn.read(tmp_path / "none") is None


def test_an_evaluation_on_the_way_is_not_the_end(tmp_path):
    write(tmp_path / "run", [*lines_of(1.0)[:5], {"step": 500, "eval_episode_return": 3.0}])
    assert learn.read(tmp_path / "run") is None


def test_training_returns_near_a_step(tmp_path):
    write(tmp_path / "run", lines_of(1.0))
    run = learn.read(tmp_path / "run")
    assert run.return_at(500) == pytest.approx(5.0)
    assert run.final_return == 1.0 and run.steps == 1000 and run.seconds == 60


def test_an_evaluation_near_a_step_counts_more_than_training(tmp_path):
    lines = lines_of(1.0)
    early, late, beyond = ({"step": step, "eval_episode_return": step / 10} for step in (480, 490, 501))
    write(tmp_path / "run", [*lines[:5], early, late, beyond, *lines[5:]])
    run = learn.read(tmp_path / "run")
    assert run.return_at(500) == 49.0
    assert run.return_at(400) == pytest.approx(4.0)
    assert run.final_return == 1.0


def test_what_ran_is_not_run_again(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(
        learn.subprocess, "run", lambda command: calls.append(command) or learn.subprocess.CompletedProcess(command, 0)
    )
    write(tmp_path / "done", lines_of(1.0))
    learn.train("impala_cartpole", 1, tmp_path / "done")
    assert not calls
    learn.train("impala_cartpole", 2, tmp_path / "new")
    write(tmp_path / "stopped", [])
    learn.train("impala_cartpole", 3, tmp_path / "stopped")
    assert "seed=2" in calls[0] and "resume=true" not in calls[0] and "resume=true" in calls[1]
