"""How much memory there is, where the system says it and where it does not."""

import os

import pytest

from hsuanwu.common import machine


def test_this_machine_has_some_memory_and_no_more_is_free():
    assert 0 < machine.free_memory() <= machine.total_memory()


@pytest.mark.parametrize(
    ("text", "free"),
    [("MemTotal: 9 kB\nMemAvailable:   3 kB\n", 3072), ("", 7), ("MemAvailable: many kB", 7), ("?", 7), (None, 7)],
)
def test_free_memory_is_read_where_the_system_says_it(monkeypatch, tmp_path, text, free):
    if text is not None:
        (tmp_path / "meminfo").write_text(text)
    monkeypatch.setattr(machine, "_MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(machine, "total_memory", lambda: 7)
    assert machine.free_memory() == free


def test_a_system_that_does_not_say_it(monkeypatch):
    monkeypatch.delattr(os, "sysconf")
    assert machine.total_memory() is None
