"""No test depends on how fast a machine is: what has to be waited for is waited for by event."""

from pathlib import Path

import pytest

from tests.architecture import rules

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = "tests", "hsuanwu/testing"
FILES = sorted(path.relative_to(ROOT) for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
EXCEPTIONS = {
    "tests/waiting.py::wait_until": "files and processes tell nobody what they do, so it looks again and again",
    "tests/architecture/test_rules.py::test_clocks": "what it calls bad is in strings",
    "hsuanwu/testing/env_record.py::record": "says how fast an environment is, and ends in time if it is slow",
}


def found_in(path):
    source = (ROOT / path).read_text(encoding="utf-8")
    return [(f"{path.as_posix()}::{function}", what) for function, what in rules.clocks(source)]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_tests_look_at_no_clock(path):
    assert [(function, what) for function, what in found_in(path) if function not in EXCEPTIONS] == []


def test_every_exception_is_needed():
    assert set(EXCEPTIONS) <= {function for path in FILES for function, _ in found_in(path)}
