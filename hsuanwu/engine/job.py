"""One job of ``hsuanwu-train``: train, evaluate, summarise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from termcolor import colored

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.registry import KINDS
from hsuanwu.engine.bottleneck import shares_in_words
from hsuanwu.engine.build import check_choice
from hsuanwu.engine.config import RUN_KEYS, differences, resumed
from hsuanwu.engine.console import digits
from hsuanwu.engine.distributed_trainer import DistributedTrainer
from hsuanwu.engine.hydra_errors import explain_run_key
from hsuanwu.engine.run_folder import RunFolder, check_run_folder, will_resume
from hsuanwu.engine.sweep import FAILED, INTERRUPTED, is_search, is_sweep, note_job
from hsuanwu.engine.trust import check_trusted, is_own
from hsuanwu.env.imports import add_current_folder


def run_job(cfgs: DictConfig, trust: bool = False) -> float | None:
    """Train with a configuration that Hydra has composed, evaluate, draw the learning curve and print a summary.

    Args:
        cfgs: the configuration.
        trust: run what the configuration of a run that goes on names, although a stranger may have written it.

    Returns:
        The mean return of the evaluation, for sweepers; None without one.
    """
    in_sweep = is_sweep()
    run_dir, outcome = None, INTERRUPTED
    try:
        OmegaConf.to_container(cfgs, resolve=True)  # what refers to nothing is refused with the key that it stands in
        settled = _settled(cfgs, trust, in_sweep)
        run_dir = settled.run_dir
        result, folder = _run(settled)
        run_dir, outcome = str(folder.path), "" if result is None else f"{result:g}"
        return result
    except Exception:
        outcome = FAILED
        raise
    finally:
        if in_sweep:
            note_job(run_dir, outcome)


def _run(cfgs: DictConfig) -> tuple[float | None, RunFolder]:
    trainer = DistributedTrainer(cfgs)
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
        count = len(evaluation.returns)
        print(
            f"Mean return over {count} evaluation {'episode' if count == 1 else 'episodes'}: "
            f"{digits(result['mean'])} (std {digits(result['std'])}, min {digits(result['min'])}, "
            f"max {digits(result['max'])})",
            flush=True,
        )
    trainer.draw()
    print(f"Run folder: {trainer.folder.path}", flush=True)
    return result["mean"] if result is not None else None, trainer.folder


def _settled(cfgs: DictConfig, trust: bool, in_sweep: bool) -> DictConfig:
    """Return the configuration with the folder of this job, and with the settings of the run that it goes on with."""
    check_choice(cfgs, "resume")
    hydra_config = HydraConfig.get()
    _check_added(hydra_config.overrides.task)
    if in_sweep and cfgs.run_dir is not None:
        cfgs.run_dir = str(Path(cfgs.run_dir) / str(hydra_config.job.num))
    cfgs.resume = will_resume(cfgs, in_sweep)
    if not cfgs.resume:
        add_current_folder()
        return cfgs
    check_run_folder(cfgs)
    folder = RunFolder(Path(cfgs.run_dir))
    saved = folder.load_config()
    if not trust:
        check_trusted(folder, saved, "run_dir")
    if trust or is_own(folder):
        # else it may be the stranger's: a module there would be taken for one that is not installed
        add_current_folder()
    settings = resumed(cfgs, saved, hydra_config.overrides.task)
    others = differences(saved, settings)
    if others and is_search():
        raise ConfigurationError(
            f"resume: {cfgs.run_dir} holds a run of other values ({others[0]}): a search chooses them anew, and does "
            "not go on; choose another run_dir"
        )
    for line in others:
        print(f"Other than before: {line}")
    return settings


def _check_added(overrides: Sequence[str]) -> None:
    """Check that ``+key=value`` adds no run-level key: nobody would read it."""
    for override in overrides:
        key = override.partition("=")[0]
        name = key.lstrip("+").partition(".")[0].partition("@")[0]
        if key.startswith("+") and name not in (*RUN_KEYS, *KINDS, "experiment"):
            raise ConfigurationError(explain_run_key(name))
