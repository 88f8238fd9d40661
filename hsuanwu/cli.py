"""The three commands: ``hsuanwu-train``, ``hsuanwu-eval`` and ``hsuanwu-plot``."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException
from termcolor import colored

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.engine.config import resumed
from hsuanwu.engine.distributed_trainer import DistributedTrainer
from hsuanwu.engine.hydra_errors import explain
from hsuanwu.engine.plot import learning_curve
from hsuanwu.engine.replay import evaluate_run
from hsuanwu.engine.run_folder import check_run_folder
from hsuanwu.runtime.transport import ActorError

_USAGE, _FAILURE, _SIGNAL = 2, 1, 128


def train() -> None:
    """Run ``hsuanwu-train``: compose a configuration, train, evaluate, summarise."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions reach us, not a printed traceback
    _make_own_modules_importable()
    _run(hydra.main(version_base="1.3", config_path="pkg://hsuanwu.cfgs", config_name="config")(_train))


def evaluate() -> None:
    """Run ``hsuanwu-eval RUN_DIR``: play episodes with the newest checkpoint of a run and print their returns."""
    parser = argparse.ArgumentParser("hsuanwu-eval", description="Play episodes with the newest checkpoint of a run.")
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="the folder of a run")
    parser.add_argument("--episodes", type=int, help="how many episodes (default: eval_episodes of the run)")
    parser.add_argument("--seed", type=int, default=0, help="seed of environments and actions (default: 0)")
    parser.add_argument("--stochastic", action="store_true", help="sample actions instead of taking the likeliest")
    parser.add_argument("--video", type=Path, metavar="DIR", help="write the first episode into DIR as MP4")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    _make_own_modules_importable()
    _run(lambda: _evaluate(arguments))


def plot() -> None:
    """Run ``hsuanwu-plot RUN_DIR...``: draw learning curves; several runs make one mean with a band."""
    parser = argparse.ArgumentParser("hsuanwu-plot", description="Draw the learning curve of one run, or of several.")
    parser.add_argument("run_dirs", type=Path, nargs="+", metavar="RUN_DIR", help="folders of runs")
    parser.add_argument("-o", dest="output", type=Path, default=Path("learning_curve.png"), metavar="FILE.png")
    arguments = parser.parse_args()

    def draw() -> None:
        learning_curve(arguments.run_dirs, arguments.output)
        print(arguments.output)

    _run(draw)


def _make_own_modules_importable() -> None:
    """Let ``env.id=my_module:MyEnv-v0`` find ``my_module.py`` in the current folder, as ``python -m`` would."""
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def _train(cfgs: DictConfig) -> float | None:
    """Run one job; whatever it raises passes by Hydra, which would add lines of its own."""
    try:
        return _train_and_evaluate(cfgs)
    except Exception as error:
        raise _JobFailedError from error


def _train_and_evaluate(cfgs: DictConfig) -> float | None:
    """Return the mean return of the evaluation, for sweepers; None without one."""
    hydra_config = HydraConfig.get()
    if hydra_config.mode == RunMode.MULTIRUN and cfgs.run_dir is not None:
        with open_dict(cfgs):
            cfgs.run_dir = str(Path(cfgs.run_dir) / str(hydra_config.job.num))
    if cfgs.resume:
        check_run_folder(cfgs)
        cfgs = resumed(cfgs, hydra_config.overrides.task)
    trainer = DistributedTrainer(cfgs)
    summary = trainer.train()
    evaluation = trainer.test() if cfgs.eval_episodes else None
    folder = trainer.folder
    with suppress(ConfigurationError):  # no episode has ended yet: nothing to draw
        learning_curve([folder.path], folder.learning_curve)
    print(
        f"{colored('Trained', 'green')} {summary['steps']:,} steps in {summary['seconds']:.1f} s: "
        f"{summary['steps_per_second']:,.0f} steps/s, {summary['updates']:,} updates"
    )
    print(summary["bottleneck"])
    if evaluation is not None:
        result = evaluation.to_dict()["episode_return"]
        print(
            f"Mean return over {cfgs.eval_episodes} evaluation episodes: {result['mean']:.1f} "
            f"(std {result['std']:.1f}, min {result['min']:.1f}, max {result['max']:.1f})"
        )
    print(f"Run folder: {folder.path}", flush=True)
    return evaluation.to_dict()["episode_return"]["mean"] if evaluation is not None else None


def _evaluate(arguments: argparse.Namespace) -> None:
    if arguments.episodes is not None and arguments.episodes < 1:
        raise ConfigurationError(f"--episodes: found {arguments.episodes}; use 1 or more")
    result = evaluate_run(
        arguments.run_dir,
        arguments.episodes,
        arguments.seed,
        deterministic=not arguments.stochastic,
        video_dir=arguments.video,
    )
    if arguments.json:
        print(json.dumps(result))
        return
    for name, label in (("episode_return", "return"), ("episode_length", "length")):
        x = result[name]
        print(f"{label}: mean {x['mean']:.2f}, std {x['std']:.2f}, min {x['min']:.2f}, max {x['max']:.2f}")
    print(f"episodes: {result['episodes']}")
    if "video" in result:
        print(f"video: {result['video']}")


class _JobFailedError(BaseException):
    """A job raised the exception that is the cause of this one."""


class _TerminatedError(BaseException):
    """SIGTERM was received."""


def _run(command: Callable[[], Any]) -> None:
    """Run a command; what the user can mend becomes one line on standard error and exit status 2."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        try:
            command()
        except _JobFailedError as failure:
            raise failure.__cause__ or failure from None
    except ConfigurationError as error:
        _exit(str(error), _USAGE)
    except (HydraException, OmegaConfBaseException) as error:
        _exit(explain(error), _USAGE)
    except (ActorError, FloatingPointError, TimeoutError) as error:
        _exit(str(error), _FAILURE)
    except BrokenPipeError:  # whoever read our output has gone, `| head` say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_FAILURE)
    except KeyboardInterrupt:
        _exit("interrupted; resume=true goes on from the last checkpoint", _SIGNAL + signal.SIGINT)
    except _TerminatedError:
        _exit("terminated; resume=true goes on from the last checkpoint", _SIGNAL + signal.SIGTERM)


def _terminate(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: let the clean-up run
    raise _TerminatedError


def _exit(message: str, status: int) -> None:
    sys.stdout.flush()
    print(f"error: {message}", file=sys.stderr, flush=True)
    sys.exit(status)
