"""The trainer that puts everything together: one process or many, from the same configuration."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import torch
from omegaconf import DictConfig, OmegaConf

from hsuanwu.common.clock import Clock, Every
from hsuanwu.common.errors import ConfigurationError, one_line, warn_of_environment, warn_of_run
from hsuanwu.common.interrupts import interrupts_held, raise_again
from hsuanwu.common.process_settings import exits_raised, folder_kept
from hsuanwu.common.seeding import derive_seed
from hsuanwu.engine.batches import Batches, DirectBatches, PrefetchedBatches
from hsuanwu.engine.bottleneck import bottleneck
from hsuanwu.engine.build import Agent, Runtime, build_agent, build_runtime, check_run_keys, timeout_seconds
from hsuanwu.engine.calibration import calibrated, warnings_of
from hsuanwu.engine.checkpoint import (
    best_return,
    check_not_lost,
    list_checkpoints,
    load_checkpoint,
    restore,
    save_best,
    save_checkpoint,
)
from hsuanwu.engine.config import complete
from hsuanwu.engine.evaluator import EPISODES, Evaluation, evaluate
from hsuanwu.engine.inspector import Inspector
from hsuanwu.engine.logger import Logger, longest_episode
from hsuanwu.engine.reporter import Reporter
from hsuanwu.engine.run_folder import (
    RunFolder,
    check_run_folder,
    open_run_folder,
    replaced,
    will_resume,
    write_config,
)
from hsuanwu.engine.spaces_file import check_spaces, spaces_text
from hsuanwu.engine.starts import note_start
from hsuanwu.engine.threads import num_cores, threads
from hsuanwu.engine.trust import sign
from hsuanwu.runtime.memory import keep_freed_memory
from hsuanwu.runtime.transport import LearnerEnd
from hsuanwu.runtime.weights import Weights

_CHECKPOINTS_A_RUN = 10
_GOES_ON = "training goes on, and the next one is tried"


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
        source = _source(self.cfgs)
        self.cfgs, self.calibration = calibrated(self.cfgs)
        torch.manual_seed(derive_seed(self.cfgs.seed, "learner"))
        self.agent = build_agent(self.cfgs)
        self.clock = Clock(self.cfgs.total_steps)
        self._earlier_seconds = 0.0
        self._start: float | None = None
        self._folder: RunFolder | None = None
        self._best = -math.inf
        self._inspector = Inspector(self.agent.observation_space)
        # a run that ended before its first checkpoint begins again
        if source is not None and list_checkpoints(source):
            check_spaces(source, self.agent.observation_space, self.agent.action_space)
            state, self._best = load_checkpoint(source), best_return(source)
            restore(self.agent.learner, self.clock, state, source.checkpoints)
            _check_total_steps(self.cfgs, self.clock)
            self._earlier_seconds = state["wall_seconds"]
        # a run that goes on must not see the episodes of its beginning again
        seed = derive_seed(self.cfgs.seed, "resume", self.clock.updates) if self.clock.updates else self.cfgs.seed
        self._runtime: Runtime | None = build_runtime(self.cfgs, self.agent, seed)

    def train(self) -> dict[str, Any]:
        """Train until ``total_steps`` environment steps are consumed and return a summary; once only.

        However it ends (an error of an environment, Ctrl-C), no process is left; the weights are in ``checkpoints/``.

        Returns:
            ``run_dir``, ``steps`` and ``updates`` in all; ``seconds``, ``steps_per_second``, ``time`` (what that of
            actors and learner went to, in fractions) and ``bottleneck`` of this call.

        Raises:
            ActorError: if an actor died; its traceback is in the message.
            EnvironmentFault: if an environment failed.
            FloatingPointError: if a gradient or a weight is not finite.
            TimeoutError: if the actors are silent for longer than the transport allows.
        """
        if self._runtime is None:
            raise RuntimeError("a trainer trains once; make another one with resume=true to go on")
        runtime, self._runtime = self._runtime, None
        keep_freed_memory()
        cfgs, clock, first_step = self.cfgs, self.clock, self.clock.steps
        self._start = start = perf_counter()
        self._inspector.longest = longest_episode(self.folder) if clock.updates else 0
        reporter = Reporter(self.folder, clock, cfgs.num_actors, cfgs.log_interval, self._inspector)
        with folder_kept(), exits_raised(), reporter, threads(cfgs.learner_threads):
            onwards = f", from step {first_step:,} on" if first_step else ""
            reporter.console.say(f"Training in {self.folder.path}{onwards}", "cyan")
            reporter.console.say("\n".join(self.agent.description))
            for warning in warnings_of(cfgs, self.calibration):
                reporter.console.say(warning)
            try:
                self._loop(runtime, reporter)
            finally:
                with interrupts_held():  # a second Ctrl-C may not cost the weights
                    self._end(runtime)
        self._inspector.conclude()
        seconds = perf_counter() - start
        return {
            "run_dir": str(self.folder.path),
            "steps": clock.steps,
            "updates": clock.updates,
            "seconds": seconds,
            "steps_per_second": (clock.steps - first_step) / seconds,
            **_account(reporter, runtime, self.agent, cfgs.num_actors),
        }

    def _end(self, runtime: Runtime) -> None:
        """Save what was reached, and stop the actors; weights that are not finite need not be told twice."""
        self._earlier_seconds, self._start = self.wall_seconds, None
        try:
            if self.clock.updates and not _has_saved(self.save, "it is tried again"):
                self.save()
        except FloatingPointError as error:
            if not isinstance(error.__context__, FloatingPointError):
                raise
        finally:
            try:
                runtime.transport.close()
            finally:
                self.folder.release()

    def _loop(self, runtime: Runtime, reporter: Reporter) -> None:
        learner, clock = self.agent.learner, self.clock
        cfgs = cast(dict[str, Any], OmegaConf.to_container(self.cfgs, resolve=True))
        save = Every(self.cfgs.checkpoint_interval or max(1, clock.total_steps // _CHECKPOINTS_A_RUN), clock)
        evaluation = Every(self.cfgs.eval_interval, clock, also_at_the_end=True)
        lr_scheduler = learner.make_lr_scheduler(clock)
        weights = learner.actor.state_dict()  # written in place by each update
        runtime.board.publish(Weights(clock.updates, weights))
        end = runtime.transport.launch(runtime.actor, self.cfgs.num_actors)
        reporter.lap("start")
        num_slots = self.cfgs.batch_size // self.cfgs.envs_per_actor
        with _batches(end, runtime, reporter, num_slots, self.agent.device, self._inspector) as batches:
            while not clock.is_over:
                raise_again()
                batch = batches.next()
                reporter.lap("batch")
                scheduled = learner.scheduled(cfgs, clock.fraction)
                for left in reversed(range(self.cfgs.updates_per_batch)):
                    metrics = learner.update(
                        scheduled,
                        learner.actor,
                        learner.learner,
                        batch,
                        batch.init_state,
                        learner.optimizer,
                        lr_scheduler,
                    )
                    reporter.lap("update")
                    end.publish(Weights(clock.updates + 1, weights))
                    reporter.lap("publish")
                    # a batch's steps are consumed when it has been used for the last time
                    steps = 0 if left else int(batch.valid.sum())
                    clock.advance(steps)
                    reporter.updated(metrics, batch, steps)
                    reporter.lap("report")
                if save.is_due() and not clock.is_over:
                    reporter.flush()
                    _has_saved(self.save, _GOES_ON)
                reporter.lap("report")
                if evaluation.is_due():
                    self._evaluate(reporter)
                    reporter.lap("evaluate")

    def _evaluate(self, reporter: Reporter) -> None:
        """Evaluate on environments of their own, always the same episodes, and keep the policy if none was better."""
        found = self._played(self.cfgs.eval_episodes, derive_seed(self.cfgs.seed, "evaluation"))
        reporter.evaluated(found)
        mean = found.metrics().get("eval_episode_return", -math.inf)
        if found.returns and mean >= self._best:
            _has_saved(partial(self._save_best, mean), _GOES_ON)

    def _save_best(self, mean: float) -> None:
        save_best(self.folder, self.agent.learner, self.clock, self.wall_seconds, mean)
        self._best = mean

    def _played(self, episodes: int, seed: int, deterministic: bool = True) -> Evaluation:
        return _play(self.agent, self.cfgs, self._inspector, episodes, seed, deterministic)

    def test(self, episodes: int | None = None, deterministic: bool = True) -> Evaluation:
        """Return what the policy reaches in whole episodes.

        After training, the figures also are the last line of ``metrics.jsonl``.

        Args:
            episodes: how many, at least 1; None for ``eval_episodes``, or 100 where that is 0.
            deterministic: take the mode of each action distribution; else sample.
        """
        episodes = episodes or self.cfgs.eval_episodes or EPISODES
        found = self._played(episodes, derive_seed(self.cfgs.seed, "test"), deterministic)
        if self._runtime is None:
            logger = Logger(self.folder, self.clock.steps, goes_on=True)
            logger.write(self.clock.steps, {"updates": self.clock.updates, **found.metrics()})
            logger.close()
        return found

    def draw(self) -> None:
        """Draw ``learning_curve.png`` into the run folder, if an episode has ended."""
        _draw(self.folder)

    def save(self) -> Path:
        """Write a checkpoint into the run folder and return its path.

        Raises:
            FloatingPointError: if a weight is not finite; nothing is written.
            OSError: if it cannot be written; nothing is left of it.
        """
        _make_again_if_removed(self.folder, self.cfgs)
        return save_checkpoint(self.folder, self.agent.learner, self.clock, self.wall_seconds)

    @property
    def wall_seconds(self) -> float:
        """Seconds of training, those before a resumption included."""
        return self._earlier_seconds + (0.0 if self._start is None else perf_counter() - self._start)

    @property
    def folder(self) -> RunFolder:
        """The run folder; made when it is first asked for."""
        if self._folder is None:
            self._folder = _begun_folder(self.cfgs, self.calibration, self.agent, self.clock.steps)
        return self._folder


def _source(cfgs: DictConfig) -> RunFolder | None:
    """Return the folder of the run to go on with; None for one that begins."""
    cfgs.resume = will_resume(cfgs)
    check_run_folder(cfgs)
    if not cfgs.resume:
        return None
    folder = RunFolder(Path(cfgs.run_dir))
    check_not_lost(folder)
    return folder


def _batches(
    end: LearnerEnd, runtime: Runtime, reporter: Reporter, num_slots: int, device: torch.device, inspector: Inspector
) -> Batches:
    """Return the source of batches; on an accelerator the next one travels while this one is learnt from."""
    if device.type == "cpu" or not runtime.transport.is_concurrent:
        return DirectBatches(end, runtime.storage, num_slots, reporter.collected, inspector.inspect)
    return PrefetchedBatches(end, runtime.storage, num_slots, reporter.collected, device, inspector.inspect)


def _has_saved(save: Callable[[], object], otherwise: str) -> bool:
    """Save; where the disk is full, or refuses, warn with what is done ``otherwise``, and return False."""
    try:
        save()
    except OSError as error:
        warn_of_run(f"{error.filename or 'a checkpoint'}: cannot be written ({error.strerror}); {otherwise}")
        return False
    return True


def _make_again_if_removed(folder: RunFolder, cfgs: DictConfig) -> None:
    if not folder.config.exists():
        warn_of_run(f"{folder.path}: was removed while it was in use; what follows is written into a new folder")
        folder.path.mkdir(parents=True, exist_ok=True)
        write_config(folder, cfgs)
        sign(folder)


def _draw(folder: RunFolder) -> None:
    # matplotlib takes as long to import as some runs take to train
    from hsuanwu.engine.plot import learning_curve

    try:
        learning_curve([folder.path], folder.learning_curve)
    except (ConfigurationError, OSError) as error:
        if isinstance(cause := error.__cause__ or error, OSError):
            warn_of_run(f"{folder.learning_curve}: cannot be drawn ({one_line(cause)})")


def _play(
    agent: Agent, cfgs: DictConfig, inspector: Inspector, episodes: int, seed: int, deterministic: bool = True
) -> Evaluation:
    """Return what the policy reaches on environments of their own."""
    raise_again()
    found = evaluate(
        agent.learner.actor,
        agent.env_factory,
        episodes,
        seed,
        deterministic=deterministic,
        limit=inspector.episode_limit,
        timeout_seconds=timeout_seconds(cfgs),
    )
    if found.doubt:
        warn_of_environment(found.doubt)
    return found


def _account(reporter: Reporter, runtime: Runtime, agent: Agent, num_actors: int) -> dict[str, Any]:
    """Return what the time of actors and learner went to, and what bounded the run."""
    shares = reporter.window.time_shares()
    verdict = bottleneck(
        **shares,
        num_actors=num_actors,
        num_cores=num_cores(),
        takes_turns=not runtime.transport.is_concurrent,
        processor_share=reporter.window.actor_processor_share(),
        learns_on_cpu=agent.device.type == "cpu",
        acts_on_cpu=runtime.actor.device.type == "cpu",
    )
    return {"time": shares, "bottleneck": verdict}


def _begun_folder(cfgs: DictConfig, calibration: Mapping[str, Any] | None, agent: Agent, from_step: int) -> RunFolder:
    """Return the run folder with what is known before training."""
    folder = open_run_folder(cfgs)
    sign(folder)
    note_start(folder, from_step)
    _write(folder.model, "\n".join(agent.description))
    _write(folder.spaces, spaces_text(agent.observation_space, agent.action_space))
    if calibration is not None:
        _write(folder.calibration, json.dumps(calibration, indent=2))
    return folder


def _write(path: Path, text: str) -> None:
    with replaced(path) as partial:
        partial.write_text(text + "\n", "utf-8")


def _check_total_steps(cfgs: DictConfig, clock: Clock) -> None:
    """Check that a run is not cut short afterwards: its folder would tell of another one."""
    before = RunFolder(Path(cfgs.run_dir)).load_config()
    found = cfgs.total_steps
    if found < min(before.total_steps, clock.steps):
        raise ConfigurationError(
            f"total_steps: found {found}, but {clock.steps} steps are done; use more, or leave it out"
        )
