"""What environments tell of their episodes, from their last step to the log and to evaluations."""

import json

import pytest

from hsuanwu.engine import DistributedTrainer
from hsuanwu.engine.replay import evaluate_run
from tests.engine.test_logger import tags_in

TELLING = ("env=gymnasium", "env.id=tests.env.telling:Telling-v0", "eval_interval=200", "eval_episodes=3")


@pytest.mark.parametrize("transport", ["local", "thread", "process"])
def test_what_episodes_tell_is_logged(composed, tmp_path, transport):
    layout = "num_actors=1", "envs_per_actor=4", "batch_size=4", "precision=float32", "learner_threads=1"
    DistributedTrainer(
        composed("total_steps=400", f"transport={transport}", *layout, "overlap=false", *TELLING)
    ).train()
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    lines = [row for row in rows if row.get("episodes")]
    episodes, ended, cut = (sum(row[f"episodes{x}"] for row in lines) for x in ("", "_terminated", "_truncated"))
    assert 90 < episodes <= 140 and cut == episodes  # of 3 steps each; a time limit cuts all of them
    successes = sum(row["info_is_success"] * row["episodes"] for row in lines)
    assert successes == pytest.approx(ended) and abs(ended - episodes / 2) <= 4
    assert {row["info_time"] for row in lines} == {3.0} and not any("info_won" in row for row in rows)
    evaluations = [row for row in rows if "eval_episodes" in row]
    assert evaluations and {row["eval_info_time"] for row in evaluations} == {3.0}
    tags = {tag for path in (tmp_path / "run").glob("events.out.*") for tag in tags_in(path)}
    assert {"info/is_success", "info/time", "episode/episodes_truncated", "evaluation/eval_info_time"} <= tags
    # three environments play one episode each, their first one
    assert evaluate_run(tmp_path / "run", 3, 0)["info"] == {"is_success": 1.0, "time": 3.0}
