"""What the benchmark for a GPU makes of what it measures."""

import sys

import gpu
from throughput import Speed


def test_each_run_is_compared_with_the_environments_of_its_round(monkeypatch, capsys):
    alone, speeds = iter([1000.0, 2000.0, 4000.0]), iter([800.0, 1200.0, 2000.0])
    monkeypatch.setattr(gpu, "environments_alone", lambda num_processes: next(alone))
    monkeypatch.setattr(gpu.throughput, "run", lambda recipe, overrides: Speed(next(speeds), 1.0, 2.0))
    monkeypatch.setattr(sys, "argv", ["gpu.py", "bench_pong_gpu", "--runs", "3"])
    gpu.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "bench_pong_gpu: 800 steps/s, 80% of it"
    assert lines[-2] == "| environments alone | 2,000 | 1,000 to 4,000 | | | |"
    assert lines[-1] == "| `bench_pong_gpu` | 1,200 | 800 to 2,000 | 60% | 2.0 | 3 |"
