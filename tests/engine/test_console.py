"""What a person watching sees, and what it leaves behind."""

import threading

from hsuanwu.engine.console import Console


def test_a_console_has_no_thread_to_wait_for():
    before = threading.enumerate()
    console = Console(total_steps=10, steps=0)
    during = threading.enumerate()
    console.close()
    assert during == before
