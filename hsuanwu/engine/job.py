"""One job of ``hsuanwu-train``: train, evaluate, summarise."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict
from termcolor import colored

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.registry import KINDS
from hsuanwu.engine.bottleneck import shares_in_words
from hsuanwu.engine.config import RUN_KEYS, resumed
from hsuanwu.engine.distributed_trainer import DistributedTrainer
from hsuanwu.engine.hydra_errors import explain_run_key
from hsuanwu.engine.run_folder import RunFolder, check_run_folder


def run_job(cfgs: DictConfig) -> float | None:
    """Train with a configuration that Hydra has composed, evaluate, draw the learning curve and print a summary.

    Returns:
        The mean return of the evaluation, for sweepers; None without one.
    """
    trainer = DistributedTrainer(_settled(cfgs))
    steps, updates = trainer.clock.steps, trainer.clock.updates
    summary = trainer.train()
    trained, in_all = summary["steps"] - steps, f" more, {summary['steps']:,} in all," if steps else ""
    evaluation = trainer.test() if trainer.cfgs.eval_episodes else None
    if trained:
        print(
            f"{colored('Trained', 'green')} {trained:,} steps{in_all} in {summary['seconds']:.1f} s: "
            f"{summary['steps_per_second']:,.0f} steps/s, {summary['updates'] - updates:,} updates"
        )
        print(shares_in_words(**summary["time"], num_actors=trainer.cfgs.num_actors))
        print(summary["bottleneck"])
    else:
        print(f"Nothing was left to train: total_steps={trainer.cfgs.total_steps:,}, and {summary['steps']:,} are done")
    result = evaluation.to_dict()["episode_return"] if evaluation is not None else None
    if evaluation is not None and result is not None and evaluation.returns:
        print(
            f"Mean return over {len(evaluation.returns)} evaluation episodes: {result['mean']:.1f} "
            f"(std {result['std']:.1f}, min {result['min']:.1f}, max {result['max']:.1f})",
            flush=True,
        )
    _draw(trainer.folder)
    print(f"Run folder: {trainer.folder.path}", flush=True)
    return result["mean"] if result is not None else None


def _settled(cfgs: DictConfig) -> DictConfig:
    """Return the configuration with the folder of this job, and with the settings of the run that it goes on with."""
    hydra_config = HydraConfig.get()
    _check_added(hydra_config.overrides.task)
    if hydra_config.mode == RunMode.MULTIRUN and cfgs.run_dir is not None:
        with open_dict(cfgs):
            cfgs.run_dir = str(Path(cfgs.run_dir) / str(hydra_config.job.num))
    if cfgs.resume:
        check_run_folder(cfgs)
        return resumed(cfgs, hydra_config.overrides.task)
    return cfgs


def _check_added(overrides: Sequence[str]) -> None:
    """Check that ``+key=value`` adds no run-level key: nobody would read it."""
    for override in overrides:
        key = override.partition("=")[0]
        name = key.lstrip("+").partition(".")[0].partition("@")[0]
        if key.startswith("+") and name not in (*RUN_KEYS, *KINDS, "experiment"):
            raise ConfigurationError(explain_run_key(name))


def _draw(folder: RunFolder) -> None:
    # matplotlib takes as long to import as some runs take to train: the result stands before
    from hsuanwu.engine.plot import learning_curve

    with suppress(ConfigurationError):  # no episode has ended yet: nothing to draw
        learning_curve([folder.path], folder.learning_curve)
