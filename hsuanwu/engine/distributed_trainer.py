"""The trainer that puts everything together: one process or many, from the same configuration."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from hsuanwu.common.clock import Clock
from hsuanwu.common.seeding import derive_seed
from hsuanwu.engine.build import Runtime, build_agent, build_runtime, check_run_keys
from hsuanwu.engine.checkpoint import load_checkpoint, restore, save_checkpoint
from hsuanwu.engine.config import complete
from hsuanwu.engine.evaluator import Evaluation, evaluate
from hsuanwu.engine.reporter import Reporter
from hsuanwu.engine.run_folder import RunFolder, check_run_folder, open_run_folder
from hsuanwu.runtime.memory import keep_freed_memory
from hsuanwu.runtime.weights import Weights

_CHECKPOINTS_A_RUN = 10
_FEW_WEIGHTS = 200_000


class DistributedTrainer:
    """Trains the agent of a configuration with the transport that it names.

    Everything that a user can get wrong is checked here, before any process is started and before
    anything is written.

    Args:
        cfgs: a configuration with the groups ``env``, ``learner``, ``storage`` and ``transport``; run-level
            keys that it leaves out take the values of ``pkg://hsuanwu.cfgs/config.yaml``.

    Raises:
        ConfigurationError: one line that names the key, what was found and what would be right.
    """

    def __init__(self, cfgs: DictConfig | Mapping[str, Any]) -> None:
        self.cfgs = complete(cfgs)
        check_run_keys(self.cfgs)
        check_run_folder(self.cfgs)
        torch.manual_seed(derive_seed(self.cfgs.seed, "learner"))
        self.agent = build_agent(self.cfgs)
        self.clock = Clock(self.cfgs.total_steps)
        self.wall_seconds = 0.0
        self._folder: RunFolder | None = None
        if self.cfgs.resume:
            source = RunFolder(Path(self.cfgs.run_dir)).checkpoints
            state = load_checkpoint(source)
            restore(self.agent.learner, self.clock, state, source)
            self.wall_seconds = state["wall_seconds"]
        # a run that goes on must not see the episodes of its beginning again
        seed = derive_seed(self.cfgs.seed, "resume", self.clock.updates) if self.clock.updates else self.cfgs.seed
        self._runtime: Runtime | None = build_runtime(self.cfgs, self.agent, seed)

    def train(self) -> dict[str, Any]:
        """Train until ``total_steps`` environment steps are consumed and return a summary; once only.

        However it ends (an exception in an environment and Ctrl-C included), no process is left, and the
        weights that were reached are in ``checkpoints/``.

        Returns:
            ``run_dir``, ``steps`` and ``updates`` in all; ``seconds``, ``steps_per_second`` and
            ``bottleneck`` of this call.

        Raises:
            ActorError: if an actor died; its traceback is in the message.
            TimeoutError: if the actors are silent for longer than the transport allows.
        """
        if self._runtime is None:
            raise RuntimeError("a trainer trains once; make another one with resume=true to go on")
        runtime, self._runtime = self._runtime, None
        keep_freed_memory()
        cfgs, clock, start, first_step = self.cfgs, self.clock, perf_counter(), self.clock.steps
        takes_turns = not runtime.transport.shares_memory
        reporter = Reporter(self.folder, clock, cfgs.num_actors, cfgs.log_interval, takes_turns)
        with reporter, _threads(self._num_threads(runtime)):
            reporter.console.say(f"Training in {self.folder.path}", "cyan")
            try:
                self._loop(runtime, reporter)
            finally:
                runtime.transport.close()
                self.wall_seconds += perf_counter() - start
                if clock.updates:
                    self.save()
        seconds = perf_counter() - start
        return {
            "run_dir": str(self.folder.path),
            "steps": clock.steps,
            "updates": clock.updates,
            "seconds": seconds,
            "steps_per_second": (clock.steps - first_step) / seconds,
            "bottleneck": reporter.window.bottleneck(),
        }

    def _loop(self, runtime: Runtime, reporter: Reporter) -> None:
        learner, clock = self.agent.learner, self.clock
        cfgs = OmegaConf.to_container(self.cfgs, resolve=True)
        num_slots = self.cfgs.batch_size // self.cfgs.envs_per_actor
        save_every = self.cfgs.checkpoint_interval or max(1, clock.total_steps // _CHECKPOINTS_A_RUN)
        next_save = clock.steps + save_every
        lr_scheduler = learner.make_lr_scheduler(clock)
        runtime.board.publish(Weights(clock.updates, learner.actor.state_dict()))
        end = runtime.transport.launch(runtime.actor, self.cfgs.num_actors)
        reporter.lap("start")
        while not clock.is_over:
            slots = end.collect(num_slots)
            reporter.lap("wait")
            batch = runtime.storage.batch(slots)
            reporter.collected(slots)
            end.release(slots)
            reporter.lap("batch")
            metrics = learner.update(
                cfgs, learner.actor, learner.learner, batch, batch.init_state, learner.optimizer, lr_scheduler
            )
            reporter.lap("update")
            end.publish(Weights(clock.updates + 1, learner.actor.state_dict()))
            reporter.lap("publish")
            steps = int(batch.valid.sum())
            clock.advance(steps)
            reporter.updated(metrics, batch, steps)
            if clock.steps >= next_save and not clock.is_over:
                next_save = clock.steps + save_every
                self.save()
            reporter.lap("report")

    def test(self, episodes: int | None = None, deterministic: bool = True) -> Evaluation:
        """Return what the policy reaches in ``episodes`` episodes, ``eval_episodes`` of them by default.

        Args:
            episodes: how many; at least 1.
            deterministic: take the mode of each action distribution; else sample.
        """
        return evaluate(
            self.agent.learner.actor,
            self.agent.env_factory,
            self.cfgs.eval_episodes if episodes is None else episodes,
            derive_seed(self.cfgs.seed, "test"),
            deterministic=deterministic,
        )

    def save(self) -> Path:
        """Write a checkpoint into the run folder and return its path."""
        return save_checkpoint(self.folder.checkpoints, self.agent.learner, self.clock, self.wall_seconds)

    @property
    def folder(self) -> RunFolder:
        """The run folder; made when it is first asked for."""
        if self._folder is None:
            self._folder = open_run_folder(self.cfgs)
        return self._folder

    def _num_threads(self, runtime: Runtime) -> int:
        if self.cfgs.learner_threads is not None:
            return self.cfgs.learner_threads
        if sum(weight.numel() for weight in self.agent.learner.learner.parameters()) < _FEW_WEIGHTS:
            return 1  # threads would cost more than they bring
        taken = self.cfgs.num_actors if runtime.transport.shares_memory else 0
        return max(1, _num_cores() - taken)


def _num_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Give torch ``count`` threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
