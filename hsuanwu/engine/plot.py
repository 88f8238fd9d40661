"""Learning curves from run folders."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from hsuanwu.common.errors import ConfigurationError, warn_of_run
from hsuanwu.engine.foreign_files import check_usable, read_lines
from hsuanwu.engine.grouping import groups_of
from hsuanwu.engine.run_folder import RunFolder, env_name
from hsuanwu.engine.statistics import Array, bootstrap_interval, interquartile_mean

Curve = tuple[Array, Array]
"""Environment steps and the episode returns seen there, ``[N]`` each; steps increase strictly."""

_LARGEST, _SAME_LENGTH = 1e300, 0.2
_MOST_BYTES = 1 << 30
_GRID_POINTS = 200
_BAND = "95% confidence (bootstrap)"
_SMOOTHING_FRACTION = 0.05


def learning_curve(run_dirs: Sequence[Path], output: Path) -> None:
    """Write a picture of the episode return over environment steps.

    One run is drawn as it was logged (thin) and as its centred moving average (thick). Several runs are smoothed
    likewise. Repetitions of one run are interpolated to the steps that all of them cover, and drawn as their
    interquartile mean with a pointwise 95% confidence band (bootstrap over the runs); each group of runs that differ
    in more than the seed has a curve of its own (``groups_of``).

    Args:
        run_dirs: run folders, each with a ``metrics.jsonl``, or folders of sweeps, with run folders inside; at least
            one.
        output: the picture; its ending names the format, ``.png`` say. Missing folders are made.

    Raises:
        ConfigurationError: if a folder has no episodes to draw, the runs share no steps, or the format
            is unknown, or the picture cannot be written.
    """
    if not run_dirs:
        raise ConfigurationError("RUN_DIR: found none; name at least one run folder")
    run_dirs = [run_dir for given in run_dirs for run_dir in _runs_in(Path(given))]
    curves = [_read_curve(Path(run_dir)) for run_dir in run_dirs]
    names = [_env_of(Path(run_dir)) for run_dir in run_dirs]
    groups = groups_of(run_dirs)
    for label, members in groups.items():
        _common_grid([curves[i] for i in members])
        _warn_of_short_runs(label, [run_dirs[i] for i in members], [curves[i] for i in members])
    if len(set(names)) > 1:
        warn_of_run(f"the runs are of different environments, and drawn apart: {', '.join(dict.fromkeys(names))}")
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    endings = canvas.get_supported_filetypes()
    if output.suffix.lstrip(".").lower() not in endings:
        raise ConfigurationError(f"-o: found {output.name!r}; end it in one of .{', .'.join(sorted(endings))}")
    axes = figure.add_subplot()
    if len(curves) == 1:
        _draw_run(axes, curves[0])
        folder = Path(run_dirs[0]).resolve().name
        axes.set_title(f"{names[0]}: {folder}" if names[0] else f"Learning curve of {folder}")
    else:
        for number, (label, members) in enumerate(groups.items()):
            _draw_runs(axes, [curves[i] for i in members], label, f"C{number % 10}")
        of_what = f" of {names[0]}" if names[0] and len(set(names)) == 1 else ""
        axes.set_title(f"Learning curve{'s' if len(groups) > 1 else ''}{of_what} over {len(curves)} runs")
    axes.set_xlabel("environment steps")
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    axes.set_ylabel("undiscounted episode return")
    axes.grid(alpha=0.3)
    axes.legend(loc="best", fontsize="small" if len(groups) > 4 else None)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(output, dpi=150)
    except OSError as error:
        with suppress(OSError):  # half a picture is none
            output.unlink(missing_ok=True)
        raise ConfigurationError(f"-o: {output} cannot be written ({error.strerror})") from error


def _runs_in(folder: Path) -> list[Path]:
    """Return the run folders in the folder of a sweep, in their order; a run's own folder as it is."""
    check_usable(folder, "RUN_DIR")
    inside = [] if (folder / "metrics.jsonl").exists() else [path.parent for path in folder.glob("*/metrics.jsonl")]
    return sorted(inside, key=lambda path: (len(path.name), path.name)) or [folder]


def _env_of(run_dir: Path) -> str:
    """Return what the environment of a run is called; an empty string if its folder does not say."""
    folder = RunFolder(run_dir)
    try:
        return env_name(folder.load_config().get("env") or {})
    except (ConfigurationError, AttributeError):
        return ""


def _warn_of_short_runs(label: str, run_dirs: Sequence[Path], curves: Sequence[Curve]) -> None:
    """Say what the mean over the runs of a group leaves out."""
    ends = [steps[-1] for steps, _ in curves]
    if min(ends) < (1 - _SAME_LENGTH) * max(ends):
        short, mean = run_dirs[int(np.argmin(ends))], f"the mean of {label}" if label else "the mean"
        warn_of_run(f"{short} ends at step {min(ends):,.0f}, others go on to {max(ends):,.0f}: {mean} ends with it")


def _read_curve(run_dir: Path) -> Curve:
    """Return the logged episode returns of one run.

    Raises:
        ConfigurationError: if there are none, or a line other than a torn last one cannot be read.
    """
    path = run_dir / "metrics.jsonl"
    if not path.is_file():
        raise ConfigurationError(f"RUN_DIR: {run_dir} holds no metrics.jsonl; name the folder of a training run")
    RunFolder(run_dir).check_links("RUN_DIR")
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise ConfigurationError(f"RUN_DIR: {path} has {size:,} bytes; no more than {_MOST_BYTES:,} are drawn")
    steps, returns = array("d"), array("d")
    for number, line in enumerate(read_lines(path, "RUN_DIR"), start=1):
        point = _read_point(line, f"RUN_DIR: {path}, line {number}")
        if point is None:
            continue
        # a resumed run goes back to its checkpoint: what it logs again replaces what it logged before
        while steps and steps[-1] >= point[0]:
            steps.pop()
            returns.pop()
        steps.append(point[0])
        returns.append(point[1])
    if not steps:
        raise ConfigurationError(
            f"RUN_DIR: {path} has no line with an episode_return; wait until the run has finished an episode"
        )
    return np.array(steps), np.array(returns)


def _read_point(line: str, place: str) -> tuple[float, float] | None:
    """Return the step and the episode return of one line; None where no episode finished."""
    if not line.strip():
        return None
    try:
        row: dict[str, Any] = json.loads(line)
        value = row.get("episode_return")
        if value is None or not math.isfinite(value):
            return None
        point = float(row["step"]), float(value)
        if max(map(abs, point)) > _LARGEST:
            raise ValueError(f"{max(point, key=abs):g} is too large to be drawn")
        return point
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        if not line.endswith("\n"):
            return None  # the run was stopped while it wrote its last line
        raise ConfigurationError(
            f"{place}: found {line.strip()[:60]!r}; each line is a JSON object with numbers step and episode_return"
        ) from error


def _draw_run(axes: Axes, curve: Curve) -> None:
    steps, returns = curve
    window = _window(len(returns))
    alpha = 0.4 if window > 1 else 1.0
    axes.plot(steps, returns, color="C0", linewidth=0.8, alpha=alpha, marker=_marker(returns), label="as logged")
    if window > 1:
        axes.plot(steps, _smoothed(returns), color="C0", linewidth=2, label=f"moving average of {window} points")


def _draw_runs(axes: Axes, curves: Sequence[Curve], group: str, color: str) -> None:
    """Draw the runs of a group; the legend says what they have in common, and how many they are."""
    grid = _common_grid(curves)
    rows = np.stack([np.interp(grid, steps, _smoothed(returns)) for steps, returns in curves])
    count = f"{len(rows)} smoothed run{'' if len(rows) == 1 else 's'}"
    if len(rows) > 1:
        low, high = bootstrap_interval(rows)
        for row in rows:
            axes.plot(grid, row, color=color, linewidth=0.6, alpha=0.35)
        is_known = _BAND in axes.get_legend_handles_labels()[1]
        axes.fill_between(grid, low, high, color=color, alpha=0.2, label=None if is_known else _BAND)
    mean = f"interquartile mean of {count}" if len(rows) > 1 else count
    label = f"{group}: {mean}" if group else mean
    axes.plot(grid, interquartile_mean(rows), color=color, linewidth=2, marker=_marker(grid), label=label)


def _common_grid(curves: Sequence[Curve]) -> Array:
    """Return steps that lie within every curve."""
    first = max(steps[0] for steps, _ in curves)
    last = min(steps[-1] for steps, _ in curves)
    if first > last:
        raise ConfigurationError(
            f"RUN_DIR: the runs share no steps (one begins at {first:.0f}, another ends at {last:.0f}); "
            "name runs of one experiment"
        )
    return np.unique(np.linspace(first, last, _GRID_POINTS))


def _window(count: int) -> int:
    """Return how many of ``count`` points a moving average spans; odd, so that it can be centred."""
    return 2 * int(count * _SMOOTHING_FRACTION / 2) + 1


def _smoothed(values: Array) -> Array:
    """Return the centred moving average; near the ends, the mean of the points that are there."""
    kernel = np.ones(_window(len(values)))
    counts = np.convolve(np.ones_like(values), kernel, "same")
    return np.convolve(values, kernel, "same") / counts


def _marker(points: Array) -> str:
    """Return a dot where there is a single point, which no line could show."""
    return "o" if len(points) == 1 else ""
