"""What the peers' programs share: their arguments, the clock, and the line of JSON that they end with.

Every program here runs in a virtual environment of its own peer, which knows nothing of Hsuanwu.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from importlib import metadata
from typing import Any

WARM_UP = 0.2
"""Share of the seconds that passes uncounted, from the first report on."""


def parse(settings: dict[str, dict[str, Any]]) -> argparse.Namespace:
    """Return the workload, the seconds to measure, and the settings of that workload.

    Args:
        settings: The best settings known of each workload; ``--set key=value`` changes one for a trial.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--workload", choices=sorted(settings), required=True)
    parser.add_argument("--seconds", type=float, default=15.0, help="to measure, after start-up and warm-up")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="change a setting; values are JSON")
    arguments = parser.parse_args()
    arguments.settings = settings[arguments.workload] | dict(map(_pair, arguments.set))
    return arguments


def _pair(text: str) -> tuple[str, Any]:
    key, value = text.split("=", 1)
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


class Meter:
    """Environment steps per second between the end of the warm-up and the end of the time.

    Args:
        seconds: How long to measure; the warm-up comes before that.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._begun: float | None = None
        self._first: tuple[float, int] | None = None
        self._last: tuple[float, int] | None = None

    def __call__(self, steps: int) -> bool:
        """Note how many steps have been trained on by now; return whether the time is over."""
        now = time.perf_counter()
        if steps <= 0:  # nothing has been trained on yet
            return False
        if self._begun is None:
            self._begun = now
        if self._first is None:
            if now - self._begun >= WARM_UP * self.seconds:
                self._first = (now, steps)
            return False
        self._last = (now, steps)
        return now - self._first[0] >= self.seconds

    @property
    def steps_per_second(self) -> float:
        """The mean speed between the first and the last report that count."""
        if self._first is None or self._last is None or self._last[1] <= self._first[1]:
            raise SystemExit("error: no step was trained on in the time that counts")
        return (self._last[1] - self._first[1]) / (self._last[0] - self._first[0])


def report(meter: Meter, settings: dict[str, Any], *packages: str) -> None:
    """Print the line that the benchmark reads: the speed, the settings, and the versions of the packages."""
    versions = {name: metadata.version(name) for name in packages} | {"python": platform.python_version()}
    line = {"steps_per_second": meter.steps_per_second, "versions": versions, "settings": settings}
    print(json.dumps(line), file=sys.__stdout__, flush=True)
