"""Learning curves from run folders."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from hsuanwu.common.errors import ConfigurationError, warn_of_run
from hsuanwu.engine.run_folder import RunFolder, env_name
from hsuanwu.engine.statistics import Array, bootstrap_interval, interquartile_mean

Curve = tuple[Array, Array]
"""Environment steps and the episode returns seen there, ``[N]`` each; steps increase strictly."""

_LARGEST, _SAME_LENGTH = 1e300, 0.2
_GRID_POINTS = 200
_SMOOTHING_FRACTION = 0.05


def learning_curve(run_dirs: Sequence[Path], output: Path) -> None:
    """Write a picture of the episode return over environment steps.

    One run is drawn as it was logged (thin) and as its centred moving average (thick). Several runs of
    one experiment are smoothed likewise, interpolated to the steps that all of them cover, and drawn as
    their interquartile mean with a pointwise 95% confidence band (bootstrap over the runs).

    Args:
        run_dirs: run folders, each with a ``metrics.jsonl``; at least one.
        output: the picture; its ending names the format, ``.png`` say. Missing folders are made.

    Raises:
        ConfigurationError: if a folder has no episodes to draw, the runs share no steps, or the format
            is unknown, or the picture cannot be written.
    """
    if not run_dirs:
        raise ConfigurationError("RUN_DIR: found none; name at least one run folder")
    curves = [_read_curve(Path(run_dir)) for run_dir in run_dirs]
    names = [_env_of(Path(run_dir)) for run_dir in run_dirs]
    if len(curves) > 1:
        _common_grid(curves)
        _warn_of_differences(run_dirs, curves, names)
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
        _draw_runs(axes, curves)
        of_what = f" of {names[0]}" if names[0] and len(set(names)) == 1 else ""
        axes.set_title(f"Learning curve{of_what} over {len(curves)} runs")
    axes.set_xlabel("environment steps")
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    axes.set_ylabel("undiscounted episode return")
    axes.grid(alpha=0.3)
    axes.legend(loc="best")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(output, dpi=150)
    except OSError as error:
        raise ConfigurationError(f"-o: {output} cannot be written ({error.strerror})") from error


def _env_of(run_dir: Path) -> str:
    """Return what the environment of a run is called; an empty string if its folder does not say."""
    folder = RunFolder(run_dir)
    try:
        return env_name(folder.load_config().get("env") or {})
    except (ConfigurationError, AttributeError):
        return ""


def _warn_of_differences(run_dirs: Sequence[Path], curves: Sequence[Curve], names: Sequence[str]) -> None:
    """Say what a mean over several runs leaves out, and whether they are no repetitions of one another."""
    if len(set(names)) > 1:
        found = ", ".join(
            f"{run_dir} of {name or 'an unknown one'}" for run_dir, name in zip(run_dirs, names, strict=True)
        )
        warn_of_run(f"the runs are of different environments, and no repetitions: {found}")
    ends = [steps[-1] for steps, _ in curves]
    if min(ends) < (1 - _SAME_LENGTH) * max(ends):
        short = run_dirs[int(np.argmin(ends))]
        warn_of_run(f"{short} ends at step {min(ends):,.0f}, others go on to {max(ends):,.0f}: the mean ends with it")


def _read_curve(run_dir: Path) -> Curve:
    """Return the logged episode returns of one run.

    Raises:
        ConfigurationError: if there are none, or a line other than a torn last one cannot be read.
    """
    path = run_dir / "metrics.jsonl"
    if not path.is_file():
        raise ConfigurationError(f"RUN_DIR: {run_dir} holds no metrics.jsonl; name the folder of a training run")
    text = path.read_text(encoding="utf-8", errors="replace")
    steps: list[float] = []
    returns: list[float] = []
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
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


def _draw_runs(axes: Axes, curves: Sequence[Curve]) -> None:
    grid = _common_grid(curves)
    rows = np.stack([np.interp(grid, steps, _smoothed(returns)) for steps, returns in curves])
    low, high = bootstrap_interval(rows)
    for row in rows:
        axes.plot(grid, row, color="C0", linewidth=0.6, alpha=0.35)
    axes.fill_between(grid, low, high, color="C0", alpha=0.2, label="95% confidence (bootstrap)")
    middle, label = interquartile_mean(rows), f"interquartile mean of {len(rows)} smoothed runs"
    axes.plot(grid, middle, color="C0", linewidth=2, marker=_marker(grid), label=label)


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
