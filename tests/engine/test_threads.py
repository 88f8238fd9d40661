"""Cores of the machine and threads of torch."""

import os

import pytest
import torch

from hsuanwu.engine import threads as module
from hsuanwu.engine.threads import num_cores, threads


def test_cores_are_those_that_the_process_may_use(monkeypatch):
    assert 1 <= num_cores() <= os.cpu_count()
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda pid: {3, 5, 8}, raising=False)
    assert num_cores() == 3


@pytest.mark.parametrize(("count", "expected"), [(6, 6), (None, 1)])
def test_cores_where_the_system_cannot_say_more(monkeypatch, count, expected):
    monkeypatch.delattr(module.os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(module.os, "cpu_count", lambda: count)
    assert num_cores() == expected


def test_threads_are_those_of_before_afterwards():
    before = torch.get_num_threads()
    with threads(before + 2):
        assert torch.get_num_threads() == before + 2
    assert torch.get_num_threads() == before
    with pytest.raises(KeyError), threads(before + 1):
        raise KeyError
    assert torch.get_num_threads() == before
