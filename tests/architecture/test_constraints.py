"""The pins of constraints.txt can be met on every Python that the package is for."""

from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PINS = [
    Requirement(line)
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
PYTHONS = [f"3.{minor}" for minor in range(10, 15)]


def pins_for(python):
    """Return the pins that count on a Python; its newest patch, for some packages refuse early ones."""
    where = {"python_version": python, "python_full_version": f"{python}.20"}
    return [pin for pin in PINS if pin.marker is None or pin.marker.evaluate(where)]


@pytest.mark.parametrize("python", PYTHONS)
def test_no_package_is_pinned_twice(python):
    names = [pin.name.lower().replace("_", "-") for pin in pins_for(python)]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("python", PYTHONS)
def test_each_pin_is_for_that_python(python):
    refused, seen = [], 0
    for pin in pins_for(python):
        try:
            known = metadata(pin.name)
        except PackageNotFoundError:
            continue
        if known["Version"] not in pin.specifier or not (needed := known["Requires-Python"]):
            continue
        seen += 1
        if f"{python}.20" not in Requirement(f"python{needed}").specifier:
            refused.append(f"{pin} needs Python {needed}")
    assert not refused
    if seen < 10:
        pytest.skip("other versions than the pinned ones are installed")
