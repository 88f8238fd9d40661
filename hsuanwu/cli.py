"""The commands: ``hsuanwu-train``, ``hsuanwu-eval``, ``hsuanwu-plot`` and ``hsuanwu-check``.

What takes long to import is imported where it is needed: a command starts its fork server first, and none
waits for what only another one uses.
"""

from __future__ import annotations

import argparse
import errno
import gc
import importlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsuanwu.common.errors import ConfigurationError, EnvironmentFault, show_warnings
from hsuanwu.common.interrupts import (
    Interrupted,
    Terminated,
    forget_handlers_in_forks,
    forget_signals,
    interrupts_held,
    raise_for_signal,
)
from hsuanwu.runtime import fork_server

if TYPE_CHECKING:
    from omegaconf import DictConfig

_USAGE, _FAILURE, _SIGNAL = 2, 1, 128
_MULTIRUN = ("-m", "--multirun")
_HELP_OF_CHECK = """hsuanwu-check env=... [env.key=value] ...

Plays random actions in an environment and says what is right, doubtful or wrong, each with its cure. It takes the keys
of env that hsuanwu-train takes; hsuanwu-train env=... --help lists them. Status 1 if something is wrong."""
_GO_ON = "a run that had begun goes on with run_dir=<its folder> resume=true"


def train() -> None:
    """Run ``hsuanwu-train``: compose a configuration, train, evaluate, summarise."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions reach us, not a printed traceback
    _make_own_modules_importable()
    sys.argv[1:] = sorted(sys.argv[1:], key=lambda x: x not in _MULTIRUN)  # argparse wants flags before overrides
    _run(_compose_and_train, f"; {_GO_ON}")


def check() -> None:
    """Run ``hsuanwu-check env=... env.key=value``: play in an environment and say what is right, doubtful or wrong."""
    if {"-h", "--help"} & set(sys.argv):
        print(_HELP_OF_CHECK)
        return
    os.environ["HYDRA_FULL_ERROR"] = "1"
    _make_own_modules_importable()
    _run(lambda: _compose(_check))


def evaluate() -> None:
    """Run ``hsuanwu-eval RUN_DIR``: play episodes with the newest checkpoint of a run and print their returns."""
    parser = argparse.ArgumentParser("hsuanwu-eval", description="Play episodes with the newest checkpoint of a run.")
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="the folder of a run")
    parser.add_argument("--episodes", type=int, help="how many episodes (default: eval_episodes of the run)")
    parser.add_argument("--seed", type=int, default=0, help="seed of environments and actions (default: 0)")
    parser.add_argument("--best", action="store_true", help="take the best checkpoint (see eval_interval)")
    parser.add_argument("--stochastic", action="store_true", help="sample actions instead of taking the likeliest")
    parser.add_argument("--video", type=Path, metavar="DIR", help="write one more episode into DIR as MP4")
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
        with _long_imports():
            from hsuanwu.engine.plot import learning_curve
        learning_curve(arguments.run_dirs, arguments.output)
        print(arguments.output)

    _run(draw)


def _make_own_modules_importable() -> None:
    """Let ``env.id=my_module:MyEnv-v0`` find ``my_module.py`` in the current folder.

    The folder comes last: a file there that is called like a module of Python's must not be taken for it.
    """
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())


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


def _compose_and_train() -> None:
    holds_server = _is_likely_to_need_processes(sys.argv[1:]) and fork_server.hold()
    try:
        _compose(_train)
    finally:
        if holds_server:
            fork_server.release()


def _compose(run: Callable[[DictConfig], float | None]) -> None:
    """Let Hydra compose a configuration and run it; whatever that raises passes by Hydra, which would add lines."""
    with _long_imports():
        import hydra

        import hsuanwu.engine.job  # noqa: F401

        # a plugin that fails is told here: Hydra would say that it finds no configuration
        importlib.import_module("hsuanwu.cfgs")
    # what a signal raises while Hydra composes is caught by Hydra, or leaves half a configuration behind
    with interrupts_held() as held:

        def job(cfgs: DictConfig) -> float | None:
            with held.let_through():
                try:
                    return run(cfgs)
                except Exception as error:
                    raise _JobFailedError from error

        hydra.main(version_base="1.3", config_path="pkg://hsuanwu.cfgs", config_name="config")(job)()


def _train(cfgs: DictConfig) -> float | None:
    from hsuanwu.engine.job import run_job

    return run_job(cfgs)


def _check(cfgs: DictConfig) -> None:
    from hsuanwu.engine.build import build_agent, make_env_factory, timeout_seconds
    from hsuanwu.testing.env_examination import WRONG, cured, examine_env

    factory = make_env_factory(cfgs)
    named = ", ".join(f"{key}={value}" for key, value in cfgs.env.items() if key != "_target_")
    print(f"Checking env: {named}", flush=True)
    scales = cfgs.normalize_observation, bool(cfgs.learner.get("normalize_reward"))
    findings = [cured(finding, *scales) for finding in examine_env(factory, timeout_seconds=timeout_seconds(cfgs))]
    print(*findings, sep="\n", flush=True)
    if any(finding.verdict == WRONG for finding in findings):
        sys.exit(_FAILURE)
    print("", *build_agent(cfgs).description, sep="\n", flush=True)


def _evaluate(arguments: argparse.Namespace) -> None:
    with _results_alone() if arguments.json else nullcontext():
        result = _results(arguments)
    if arguments.json:
        print(json.dumps(result))
        return
    for name, label in (("episode_return", "return"), ("episode_length", "length")):
        x = result[name]
        if x["mean"] is not None:
            print(f"{label}: mean {x['mean']:.2f}, std {x['std']:.2f}, min {x['min']:.2f}, max {x['max']:.2f}")
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
    if arguments.episodes is not None and arguments.episodes < 1:
        raise ConfigurationError(f"--episodes: found {arguments.episodes}; use 1 or more")
    if arguments.seed < 0:
        raise ConfigurationError(f"--seed: found {arguments.seed}; use 0 or more")
    with _long_imports():
        from hsuanwu.engine.replay import evaluate_run
    return evaluate_run(
        arguments.run_dir,
        arguments.episodes,
        arguments.seed,
        best=arguments.best,
        deterministic=not arguments.stochastic,
        video_dir=arguments.video,
    )


class _JobFailedError(BaseException):
    """A job raised the exception that is the cause of this one."""


def _run(command: Callable[[], Any], how_to_go_on: str = "") -> None:
    """Run a command; what the user can mend becomes one line on standard error and exit status 2."""
    threads = set(threading.enumerate())
    forget_signals()
    forget_handlers_in_forks()
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    show_warnings(_show_warning)
    status: Any = 0
    try:
        with _streams_kept_open():
            _run_or_exit(command, how_to_go_on)
    except SystemExit as error:
        status = error.code
        raise
    finally:
        show_warnings(None)
        if sys.exc_info()[0] in (None, SystemExit):
            _leave_threads_behind(set(threading.enumerate()) - threads, status)


def _run_or_exit(command: Callable[[], Any], how_to_go_on: str) -> None:
    try:
        try:
            command()
        except _JobFailedError as failure:
            raise failure.__cause__ or failure from None
    except BrokenPipeError:  # whoever read our output has gone, `| head` say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_FAILURE)
    except KeyboardInterrupt:
        _exit(f"interrupted{how_to_go_on}", _SIGNAL + signal.SIGINT)
    except Terminated:
        _exit(f"terminated{how_to_go_on}", _SIGNAL + signal.SIGTERM)
    except Exception as error:
        verdict = _verdict(error)
        if verdict is None:
            raise
        _exit(*verdict)


def _verdict(error: Exception) -> tuple[str, int] | None:
    """Return the line and the exit status for what the user can mend or has to know; None for a fault of ours."""
    if isinstance(error, ConfigurationError):
        return str(error), _USAGE
    if isinstance(error, OSError) and error.errno == errno.EBADF:
        return "a file of the run was closed: code of an environment closes files that it did not open", _FAILURE
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from hsuanwu.engine.hydra_errors import NULL_GROUP, explain
    from hsuanwu.runtime.transport import ActorError

    if isinstance(error, (HydraException, OmegaConfBaseException)) or str(error).startswith(NULL_GROUP):
        return explain(error), _USAGE
    failures = (ActorError, EnvironmentFault, FloatingPointError, TimeoutError)
    return (str(error), _FAILURE) if isinstance(error, failures) else None


def _terminate(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: let the clean-up run
    raise_for_signal(Terminated())


def _interrupt(*_: object) -> None:
    raise_for_signal(Interrupted())


def _show_warning(text: str) -> None:
    """Show what an environment's author should know as one line."""
    print(f"warning: {text}", file=sys.stderr, flush=True)


@contextmanager
def _streams_kept_open() -> Iterator[None]:
    """Keep standard output and error, as they are now, from being closed or exchanged by code of an environment."""
    streams = sys.stdout, sys.stderr
    for stream in streams:
        with suppress(AttributeError):  # it is none of Python's own
            stream.close = stream.flush  # type: ignore[method-assign]
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams
        for stream in streams:
            with suppress(AttributeError):
                del stream.close


def _leave_threads_behind(threads: set[threading.Thread], status: Any) -> None:
    """End the process although threads go on that an environment has started: Python would wait for them for ever."""
    names = sorted(thread.name for thread in threads if not thread.daemon)
    if names:
        _show_warning(f"a thread that an environment has started still runs, and is left behind: {', '.join(names)}")
        sys.stdout.flush()
        os._exit(status if isinstance(status, int) else _FAILURE)


def _exit(message: str, status: int) -> None:
    sys.stdout.flush()
    print(f"error: {message}", file=sys.stderr, flush=True)
    sys.exit(status)
