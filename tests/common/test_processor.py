"""What a process had of the processor, and what it had to wait for it."""

import pytest

from hsuanwu.common import processor


@pytest.mark.parametrize(("text", "seconds"), [("7 1500000000 3\n", 1.5), ("", 0.0), ("0 many 1", 0.0), (None, 0.0)])
def test_the_wait_for_a_core_is_read_where_the_system_says_it(monkeypatch, tmp_path, text, seconds):
    statistics = tmp_path / "schedstat"
    if text is not None:
        statistics.write_text(text)
    monkeypatch.setattr(processor, "_STATISTICS", statistics)
    assert processor.queue_seconds() == seconds
    monkeypatch.setattr(processor, "process_time", lambda: 2.0)
    assert processor.busy_seconds() == 2.0 + seconds
