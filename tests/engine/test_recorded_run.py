"""A whole run as a GPU does it, on the CPU: threads that record and replay, batches that are fetched ahead."""

import copy
import json
import math

import pytest
import torch
from hydra import compose, initialize_config_module

from hsuanwu.engine import DistributedTrainer, distributed_trainer
from hsuanwu.engine.batches import PrefetchedBatches
from hsuanwu.engine.config import register_groups
from hsuanwu.runtime import group, inference
from tests.runtime.cpu_graph import CpuTorch


class Deaf(inference.GraphInference):
    """The mutant: new weights do not reach what it has recorded."""

    def __init__(self, policy, num_envs):
        super().__init__(copy.deepcopy(policy), num_envs)


def fetched_ahead(end, runtime, reporter, num_slots, device, inspector):
    return PrefetchedBatches(end, runtime.storage, num_slots, reporter.collected, torch.device("cpu"))


CARTPOLE = ["experiment=impala_cartpole", "total_steps=100_000", "eval_episodes=0", "log_interval=10_000"]


@pytest.fixture
def train(monkeypatch, tmp_path):
    register_groups()
    monkeypatch.setattr(inference, "torch", CpuTorch())
    monkeypatch.setattr(group, "make_inference", inference.GraphInference)
    monkeypatch.setattr(distributed_trainer, "_batches", fetched_ahead)

    def run(*overrides):
        layout = ["transport=thread", "num_actors=2", "envs_per_actor=8", "learner_threads=1", "precision=float32"]
        with initialize_config_module("hsuanwu.cfgs", version_base="1.3"):
            cfgs = compose("config", [*layout, "overlap=false", f"run_dir={tmp_path / 'run'}", *overrides])
        DistributedTrainer(cfgs).train()
        return [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]

    return run


def test_actors_that_replay_learn(train):
    lines = train(*CARTPOLE)
    assert lines[-1]["episode_return"] > 100 and lines[-1]["rho"] == pytest.approx(1, abs=0.1)


def test_actors_without_new_weights_do_not(train, monkeypatch):
    monkeypatch.setattr(group, "make_inference", Deaf)
    assert train(*CARTPOLE)[-1]["episode_return"] < 50


@pytest.mark.parametrize("recipe", ["bench_pong_gpu", "bench_pong_deep_gpu"])
def test_the_recipes_for_a_gpu_run(train, recipe):
    pytest.importorskip("ale_py")
    small = ["device=cpu", "envs_per_actor=2", "batch_size=4", "rollout_length=4", "total_steps=64", "log_interval=16"]
    lines = train(f"experiment={recipe}", *small)
    assert lines[-1]["step"] >= 64 and all(math.isfinite(line["loss"]) for line in lines)
