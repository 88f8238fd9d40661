"""What a person watching sees, and what it leaves behind."""

import math
import threading

from hsuanwu.engine.console import Console


def test_a_console_has_no_thread_to_wait_for():
    before = threading.enumerate()
    console = Console(total_steps=10, steps=0)
    during = threading.enumerate()
    console.close()
    assert during == before


def test_a_line_has_the_means_of_all_episodes_since_the_last_one(capsys, monkeypatch):
    """The lines of the log come more often than those on the console; many of them see the end of no episode."""
    console = Console(total_steps=10, steps=0)
    monkeypatch.setattr(console, "_last_line", math.inf)
    first = {"episodes": 3, "episode_return": 2.0, "episode_length": 5.0, "info_is_success": 1.0, "loss": 9.0}
    for line in (first, first | {"episodes": 1, "episode_return": 6.0, "info_is_success": None}):
        console.progress(1, line)
    assert capsys.readouterr().out == ""
    nothing = {"episodes": 0, "episode_return": None, "loss": 1.0}
    monkeypatch.setattr(console, "_last_line", -math.inf)
    console.progress(7, nothing)
    assert capsys.readouterr().out.split() == [
        "step",
        "7",
        "return",
        "3.0",
        "length",
        "5",
        "loss",
        "1",
        "is_success",
        "1.00",
    ]
    monkeypatch.setattr(console, "_last_line", -math.inf)
    console.progress(8, nothing)
    assert capsys.readouterr().out.split() == ["step", "8", "loss", "1"], "what was shown is not shown again"
    console.close()
