"""What is measured in turn, how a peer's answer is read, and that the peers' files fit together."""

import ast
import json
import re
import sys

import peers
import pytest
from process_tree import ProgramError

from tests.benchmarks.conftest import BENCHMARKS

PEERS = sorted(set(peers.SYSTEMS) - {peers.OURS})


@pytest.fixture(autouse=True)
def spare_our_children(monkeypatch):
    """The benchmark ends whatever its process has started; here that process runs other tests too."""
    monkeypatch.setattr(peers.process_tree, "end_children", lambda: None)


def test_the_answer_is_the_last_line_with_a_speed():
    output = 'noise\n{"steps_per_second": 1.0}\n{"steps_per_second": 2.5, "versions": {}}\n[1]\n{"other": 3}\n'
    assert peers.result(output) == {"steps_per_second": 2.5, "versions": {}}


@pytest.mark.parametrize("output", ["", "steps_per_second 5", '{"steps_per_second": null}', "[1.0]"])
def test_without_a_speed_there_is_no_answer(output):
    with pytest.raises(ProgramError, match="steps_per_second"):
        peers.result(output)


def test_a_peer_that_is_not_installed_is_a_failed_run(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "VENVS", tmp_path)
    run, _ = peers.measure("cartpole", "puffer", 1.0, {})
    assert (run.steps_per_second, run.failure) == (None, "not installed: run make bench-peers")
    (tmp_path / "puffer.log").write_text("Collecting\nERROR: no matching distribution\nhint: none\n")
    run, _ = peers.measure("cartpole", "puffer", 1.0, {})
    assert run.failure == "not installed: ERROR: no matching distribution"


def test_our_next_run_is_as_long_as_our_last_speed_says(monkeypatch):
    asked = []

    def fake(recipe, overrides):
        asked.append((recipe, overrides))
        return 500.0, 400.0

    monkeypatch.setattr(peers.throughput, "measure", fake)
    expected = {"pong": 2000.0}
    run, _ = peers.measure("pong", peers.OURS, 10.0, expected)
    peers.measure("pong", peers.OURS, 10.0, expected)
    assert run == peers.Run("pong", peers.OURS, 500.0)
    assert asked == [("bench_pong", ["total_steps=30000"]), ("bench_pong", ["total_steps=7500"])]


def test_our_failure_is_a_failed_run(monkeypatch):
    def fail(recipe, overrides):
        raise KeyError("no such recipe")

    monkeypatch.setattr(peers.throughput, "measure", fail)
    run, _ = peers.measure("pong", peers.OURS, 10.0, {"pong": 1.0})
    assert run.steps_per_second is None and "no such recipe" in run.failure


def test_every_system_is_measured_in_turn_and_written(tmp_path, monkeypatch, capsys):
    order = []

    def fake(workload, system, seconds, expected):
        order.append((workload, system))
        return peers.Run(workload, system, 100.0 * len(order)), {"others": 0.5, "seconds": 1.0}

    table, raw = tmp_path / "table.md", tmp_path / "raw.json"
    words = ["--workloads", "cartpole", "pong", "--systems", peers.OURS, "puffer", "--rounds", "2"]
    monkeypatch.setattr(peers, "measure", fake)
    monkeypatch.setattr(peers.process_tree, "adopt_orphans", lambda: None)
    monkeypatch.setattr(peers.signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["peers.py", *words, "--output", str(table), "--json", str(raw)])
    peers.main()
    one_round = [("cartpole", peers.OURS), ("cartpole", "puffer"), ("pong", peers.OURS)]
    assert order == one_round * 2
    printed = capsys.readouterr()
    assert printed.out == table.read_text()
    assert "| cartpole | puffer  |              350 | 200 to 500 |    2 |  0.71 x |" in printed.out
    assert printed.err.count("others took 50%") == 6
    assert [run["round"] for run in json.loads(raw.read_text())["runs"]] == [1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_knows_the_workloads_that_it_is_asked_for(name):
    tree = ast.parse((BENCHMARKS / "peer" / f"{name}.py").read_text())
    (settings,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "SETTINGS"
    ]
    assert [key.value for key in settings.keys] == list(peers.SYSTEMS[name])


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_has_our_torch_and_exact_versions(name):
    lines = (BENCHMARKS / "peer" / f"{name}.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    (ours,) = re.findall(r"^torch==.*$", (BENCHMARKS.parent / "constraints.txt").read_text(), re.MULTILINE)
    assert ours in pins


def test_make_installs_every_peer():
    (names,) = re.findall(r"^PEERS := (.*)$", (BENCHMARKS.parent / "Makefile").read_text(), re.MULTILINE)
    assert sorted(names.split()) == PEERS
