"""The commands: ``hsuanwu-train``, ``hsuanwu-eval``, ``hsuanwu-plot`` and ``hsuanwu-check``.

What takes long to import is imported where it is needed: a command starts its fork server first, and none
waits for what only another one uses.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsuanwu import __version__
from hsuanwu.command import (
    FAILURE,
    JobFailedError,
    SweptJobError,
    accept_threads,
    run_command,
    swept_failures,
    verdict_of,
)
from hsuanwu.common.errors import ConfigurationError, EnvironmentFault
from hsuanwu.common.interrupts import HeldInterrupts, interrupts_held
from hsuanwu.runtime import fork_server

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from hsuanwu.engine.sweep_jobs import SweepJobs

_TRUST = "--trust"
_HELP = {"-h", "--help"}
_MULTIRUN = ("-m", "--multirun")
_HELP_OF_CHECK = """hsuanwu-check env=... [env.key=value] ...

Plays random actions in an environment and says what is right, doubtful or wrong, each with its cure. It takes the keys
of env that hsuanwu-train takes; hsuanwu-train env=... --help lists them. Status 1 if something is wrong."""
_GO_ON = "a run that had begun goes on with run_dir=<its folder> resume=true"


def train() -> None:
    """Run ``hsuanwu-train``: compose a configuration, train, evaluate, summarise."""
    _tell_version()
    if _HELP & set(sys.argv):
        run_command(_help)
        return
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions reach us, not a printed traceback
    trust, arguments = _TRUST in sys.argv, [x for x in sys.argv[1:] if x != _TRUST]
    sys.argv[1:] = sorted(arguments, key=lambda x: x not in _MULTIRUN)  # argparse wants flags before overrides
    run_command(lambda: _compose_and_train(trust), f"; {_GO_ON}", _paths_of(arguments))


def _paths_of(arguments: Sequence[str]) -> list[str]:
    """Return the paths that ``hsuanwu-train`` is given; ``runs`` is where it writes otherwise."""
    folders = [x.partition("=")[2].strip("'\"") for x in arguments if x.lstrip("+").startswith("run_dir=")]
    found = folders if folders and not set(_MULTIRUN) & set(arguments) else [*folders, "runs"]  # Hydra writes there
    for flag, value in pairwise([*arguments, ""]):
        if flag.partition("=")[0] in ("--config-dir", "-cd"):
            found.append(flag.partition("=")[2] or value)
    return found


def check() -> None:
    """Run ``hsuanwu-check env=... env.key=value``: play in an environment and say what is right, doubtful or wrong."""
    if _HELP & set(sys.argv):
        run_command(lambda: print(_HELP_OF_CHECK))
        return
    _tell_version()
    os.environ["HYDRA_FULL_ERROR"] = "1"
    run_command(lambda: _compose(_check))


def evaluate() -> None:
    """Run ``hsuanwu-eval RUN_DIR``: play episodes with the newest checkpoint of a run and print their returns."""
    _tell_version()
    parser = argparse.ArgumentParser("hsuanwu-eval", description="Play episodes with the newest checkpoint of a run.")
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="the folder of a run")
    parser.add_argument("--episodes", type=int, help="how many episodes (default: eval_episodes of the run)")
    parser.add_argument("--seed", type=int, default=0, help="seed of environments and actions (default: 0)")
    parser.add_argument("--best", action="store_true", help="take the best checkpoint (see eval_interval)")
    parser.add_argument("--stochastic", action="store_true", help="sample actions instead of taking the likeliest")
    parser.add_argument("--video", type=Path, metavar="DIR", help="write one more episode into DIR/video.mp4")
    parser.add_argument("--video-episodes", type=int, default=1, metavar="N", help="episodes of the video (default: 1)")
    parser.add_argument("--render", action="store_true", help="show the episodes in a window")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(_TRUST, action="store_true", help="run the code that a stranger's run names")
    arguments = parser.parse_args()
    run_command(lambda: _evaluate(arguments), paths=[arguments.run_dir, *filter(None, [arguments.video])])


def plot() -> None:
    """Run ``hsuanwu-plot RUN_DIR...``: draw learning curves; several runs make one mean with a band."""
    _tell_version()
    parser = argparse.ArgumentParser("hsuanwu-plot", description="Draw the learning curve of one run, or of several.")
    parser.add_argument("run_dirs", type=Path, nargs="+", metavar="RUN_DIR", help="folders of runs")
    parser.add_argument("-o", dest="output", type=Path, default=Path("learning_curve.png"), metavar="FILE.png")
    arguments = parser.parse_args()

    def draw() -> None:
        with _long_imports():
            from hsuanwu.engine.plot import learning_curve
        learning_curve(arguments.run_dirs, arguments.output)
        print(arguments.output)

    run_command(draw, paths=[*arguments.run_dirs, arguments.output])


def _tell_version() -> None:
    if "--version" in sys.argv[1:]:
        run_command(lambda: print(f"hsuanwu {__version__}"))
        sys.exit(0)


def _is_likely_to_need_processes(arguments: Sequence[str]) -> bool:
    """Return whether a fork server should import what actors need while this process imports the same.

    Not where another core is wanting, for what shows something alone (``--help``, ``--cfg job``), or for another
    transport. A wrong guess costs no more than time: a transport starts the server that it needs.
    """
    trains = all(not x.startswith("-") or x in _MULTIRUN for x in arguments)
    names = {x.partition("=")[2] for x in arguments if x.startswith("transport=")}
    return trains and names <= {"process"} and _available_cores() > 1


def _available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _long_imports() -> Iterator[None]:
    """Keep the garbage collector out of imports, where it finds nothing, and signals, which may get lost there.

    What a signal raises while torch imports numpy is caught by torch, and half of numpy stays behind.
    """
    was_enabled, num_modules = gc.isenabled(), len(sys.modules)
    gc.disable()
    with interrupts_held():
        try:
            yield
        finally:
            if len(sys.modules) > num_modules:
                gc.freeze()  # modules stay: no later collection looks at them, nor does the one at the exit
            if was_enabled:
                gc.enable()


def _help() -> None:
    with _long_imports():
        import hsuanwu.engine.job  # noqa: F401
        from hsuanwu.engine.help import help_text
        from hsuanwu.engine.slips import checked

        importlib.import_module("hsuanwu.cfgs")
    ignored = {*_HELP, *_MULTIRUN, _TRUST}
    print(help_text(checked([x for x in sys.argv[1:] if x not in ignored])))


def _compose_and_train(trust: bool) -> None:
    holds_server = _is_likely_to_need_processes(sys.argv[1:]) and fork_server.hold()
    try:
        _compose(partial(_train, trust=trust))
    finally:
        if holds_server:
            fork_server.release()


def _compose(run: Callable[[DictConfig], float | None]) -> None:
    """Let Hydra compose a configuration and run it; whatever that raises passes by Hydra, which would add lines."""
    with _long_imports():
        import hydra

        import hsuanwu.engine.job  # noqa: F401
        from hsuanwu.engine.slips import checked
        from hsuanwu.engine.sweep_jobs import SweepJobs

        # a plugin that fails is told here: Hydra would say that it finds no configuration
        importlib.import_module("hsuanwu.cfgs")
    sys.argv[1:] = checked(sys.argv[1:])
    # what a signal raises while Hydra composes is caught by Hydra, or leaves half a configuration behind
    jobs = SweepJobs()
    swept_failures.clear()
    with interrupts_held(jobs.stop) as held:
        task = _Job(run, held, jobs)

        def job(cfgs: DictConfig) -> float | None:  # Hydra looks for the code of a function
            return task(cfgs)

        try:
            hydra.main(version_base="1.3", config_path="pkg://hsuanwu.cfgs", config_name="config")(job)()
        finally:
            if not task.ran_here:
                accept_threads()  # of a launcher
        if swept_failures:
            raise SweptJobError("a job of the sweep", "", swept_failures[-1])


class _Job:
    """The task function of each Hydra job, called in this process or in one that a launcher started.

    Exceptions of a single job bypass Hydra. In a sweep, the error of a failed job is printed at once and Hydra counts
    the job as failed; the other jobs still run.
    """

    def __init__(self, run: Callable[[DictConfig], float | None], held: HeldInterrupts, jobs: SweepJobs) -> None:
        self._run, self._held, self._jobs, self._process = run, held, jobs, os.getpid()
        self.ran_here = False

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_held": None}

    def __call__(self, cfgs: DictConfig) -> float | None:
        if self._held is None or os.getpid() != self._process:
            from hsuanwu.swept_job import run_launched

            return run_launched(partial(self._of_sweep, cfgs), self._jobs)
        self.ran_here = True
        from hsuanwu.engine.sweep import is_sweep

        with self._held.let_through():
            return self._of_sweep(cfgs) if is_sweep() else self._alone(cfgs)

    def _alone(self, cfgs: DictConfig) -> float | None:
        try:
            return self._run(cfgs)
        except Exception as error:
            raise JobFailedError from error

    def _of_sweep(self, cfgs: DictConfig) -> float | None:
        from hsuanwu.swept_job import failed

        try:
            return self._run(cfgs)
        except Exception as error:
            verdict = verdict_of(error)
            if verdict is None:
                traceback.print_exc()
            raise failed(*(verdict or (f"{type(error).__name__}: {error}", FAILURE))) from None


def _train(cfgs: DictConfig, trust: bool) -> float | None:
    from hsuanwu.engine.job import run_job

    return run_job(cfgs, trust)


def _check(cfgs: DictConfig) -> None:
    from hsuanwu.engine.build import build_agent, make_env_factory, timeout_seconds
    from hsuanwu.env.imports import add_current_folder
    from hsuanwu.testing.env_examination import WRONG, cured, examine_env

    add_current_folder()
    factory = make_env_factory(cfgs)
    named = ", ".join(f"{key}={value}" for key, value in cfgs.env.items() if key != "_target_")
    print(f"Checking env: {named}", flush=True)
    scales = cfgs.normalize_observation, bool(cfgs.learner.get("normalize_reward"))
    findings = [cured(finding, *scales) for finding in examine_env(factory, timeout_seconds=timeout_seconds(cfgs))]
    print(*findings, sep="\n", flush=True)
    if any(finding.verdict == WRONG for finding in findings):
        sys.exit(FAILURE)
    print("", *build_agent(cfgs).description, sep="\n", flush=True)


def _evaluate(arguments: argparse.Namespace) -> None:
    with _results_alone() if arguments.json else nullcontext():
        result = _results(arguments)
    if arguments.json:
        print(json.dumps(result))
    else:
        _show_results(result)
    if not result["episodes"]:
        raise EnvironmentFault("no evaluation episode has ended, so that there are no returns")


def _show_results(result: dict[str, Any]) -> None:
    from hsuanwu.engine.console import digits

    for name, label in (("episode_return", "return"), ("episode_length", "length")):
        x = result[name]
        if x["mean"] is not None:
            shown = {key: digits(x[key]) for key in ("mean", "std", "min", "max")}
            print(f"{label}: " + ", ".join(f"{key} {value}" for key, value in shown.items()))
    for name, value in result.get("info", {}).items():
        print(f"{name}: mean {digits(value)}")
    print(f"episodes: {result['episodes']}")
    if "video" in result:
        print(f"video: {result['video']}")


@contextmanager
def _results_alone() -> Iterator[None]:
    """Send what anybody writes to standard output to standard error, so that results alone are there.

    Environments print, in Python and by the descriptor.
    """
    output = sys.stdout
    output.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        sys.stdout = output


def _results(arguments: argparse.Namespace) -> dict[str, Any]:
    for option in ("episodes", "video_episodes"):
        number = getattr(arguments, option)
        if number is not None and number < 1:
            raise ConfigurationError(f"--{option.replace('_', '-')}: found {number}; use 1 or more")
    if arguments.seed < 0:
        raise ConfigurationError(f"--seed: found {arguments.seed}; use 0 or more")
    with _long_imports():
        from hsuanwu.engine.replay import evaluate_run
        from hsuanwu.engine.run_folder import run_named
        from hsuanwu.engine.trust import is_own
        from hsuanwu.env.imports import add_current_folder
    if arguments.trust or is_own(run_named(arguments.run_dir)[0]):
        # else it may be the stranger's: a module there would be taken for one that is not installed
        add_current_folder()
    return evaluate_run(
        arguments.run_dir,
        arguments.episodes,
        arguments.seed,
        best=arguments.best,
        trust=arguments.trust,
        deterministic=not arguments.stochastic,
        video_dir=arguments.video,
        video_episodes=arguments.video_episodes,
        render=arguments.render,
    )


if __name__ == "__main__":
    train()
