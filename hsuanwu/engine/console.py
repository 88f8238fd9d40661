"""What a person watching sees: coloured lines and a progress bar."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from time import perf_counter

from termcolor import colored
from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 5.0
_MOST_INFOS = 3


def digits(value: float) -> str:
    """Return a return, or another number of the user's scale, with as many digits as tell something.

    Example:
        >>> digits(1234.56), digits(12.345), digits(0.12345)
        ('1234.6', '12.35', '0.1235')
    """
    size = abs(value)
    return f"{value:.1f}" if size >= 100 else f"{value:.2f}" if size >= 1 or not size else f"{value:.4f}"


class Console:
    """Lines on standard output, and below them a live bar with rate and remaining time.

    Where standard error is no terminal there is no bar; termcolor leaves the colours away where standard
    output is none.

    Args:
        total_steps: environment steps of the run.
        steps: environment steps done already.
    """

    def __init__(self, total_steps: int, steps: int) -> None:
        self._bar = _Bar(
            total=total_steps, initial=steps, unit="step", unit_scale=True, disable=None, leave=False, mininterval=0.2
        )
        self._last_line = perf_counter()
        self._with_episodes: list[Mapping[str, float | None]] = []

    def advance(self, steps: int) -> None:
        """Move the bar by ``steps`` environment steps."""
        self._bar.update(steps)

    def progress(self, step: int, line: Mapping[str, float | None]) -> None:
        """Print the most telling numbers, at most every five seconds: of episodes, the means since the last time."""
        if line.get("episodes"):
            self._with_episodes.append(line)
        value = line.get("episode_return")
        if value is not None:
            self._bar.set_postfix_str(f"return {digits(value)}", refresh=False)
        if perf_counter() - self._last_line < _SECONDS_BETWEEN_LINES:
            return
        self._last_line = perf_counter()
        line = {**line, **_of_episodes(self._with_episodes)}
        self._with_episodes.clear()
        parts = [colored(f"step {step:>11,}", "cyan")]
        for name, label, form in _SHOWN:
            if (value := line.get(name)) is not None:
                parts.append(f"{label} {value:{form}}")
        told = [(name, value) for name, value in line.items() if name.startswith("info_") and value is not None]
        parts += [f"{name.removeprefix('info_')} {digits(value)}" for name, value in told[:_MOST_INFOS]]
        self.say("  ".join(parts))

    def say(self, text: str, color: str | None = None) -> None:
        """Print a line above the bar."""
        with self._bar.external_write_mode():
            print(colored(text, color) if color else text, file=sys.stdout, flush=True)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()


def _of_episodes(lines: Sequence[Mapping[str, float | None]]) -> dict[str, float]:
    """Return the means over the episodes of several lines, of their returns, lengths and infos."""
    totals: dict[str, tuple[float, float]] = {}
    for line in lines:
        count = line.get("episodes") or 0
        for name, value in line.items():
            if value is not None and (name in ("episode_return", "episode_length") or name.startswith("info_")):
                total, weight = totals.get(name, (0.0, 0.0))
                totals[name] = total + count * value, weight + count
    return {name: total / weight for name, (total, weight) in totals.items()}


class _Bar(tqdm):
    """A bar without tqdm's thread, which `close` would wait for without end if an interrupt came at a bad moment."""

    monitor_interval = 0


_SHOWN = (
    ("episode_return", "return", "8.1f"),
    ("episode_length", "length", "6.0f"),
    ("loss", "loss", "9.3g"),
    ("entropy", "entropy", "5.2f"),
    ("policy_lag", "lag", "4.1f"),
    ("steps_per_second", "steps/s", ",.0f"),
)
