"""The files of the log hold whole lines, however a run ended."""

import errno
import io
import os
import pathlib
import signal
import subprocess
import sys
import threading
from contextlib import nullcontext

import pytest
from tensorboardX.proto.event_pb2 import Event

from hsuanwu.common.errors import ConfigurationError, RunWarning
from hsuanwu.engine.logger import Logger, longest_episode
from hsuanwu.engine.run_folder import RunFolder
from tests.waiting import PATIENCE

HEAD = "step,episode_return,episode_length"


def rows_of(folder):
    return folder.episodes.read_text().splitlines()


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path)


def killed_after(folder, *statements):
    """Run some statements with a logger in a process that is killed before it can write what it has kept."""
    program = [
        "import os, pathlib, signal",
        "from hsuanwu.engine.logger import Logger",
        "from hsuanwu.engine.run_folder import RunFolder",
        f"logger = Logger(RunFolder(pathlib.Path({str(folder.path)!r})))",
        *statements,
        "os.kill(os.getpid(), signal.SIGKILL)",
    ]
    assert subprocess.run([sys.executable, "-c", "\n".join(program)]).returncode == -signal.SIGKILL


def test_a_killed_run_can_be_continued_before_its_first_line(folder):
    killed_after(folder, "logger.write_episodes(5, [(1.0, 2)] * 50)")
    assert rows_of(folder) == [HEAD], "no row was written yet, or this shows nothing"
    logger = Logger(folder, 10)
    logger.write_episodes(20, [(3.5, 4)])
    logger.close()
    assert rows_of(folder) == [HEAD, "20,3.5,4"]


@pytest.mark.parametrize("save", ["logger.write(6, {'loss': 1.0})", "logger.flush()"])
def test_episodes_before_a_line_or_a_checkpoint_are_not_lost(folder, save):
    killed_after(folder, "logger.write_episodes(5, [(1.0, 2)])", save)
    assert rows_of(folder) == [HEAD, "5,1,2"]


def test_torn_and_younger_rows_are_dropped(folder):
    folder.episodes.write_text(f"{HEAD}\n5,1,2\n30,1,2\n9,1\n7,-2.5,3\n12")
    Logger(folder, 20).close()
    assert rows_of(folder) == [HEAD, "5,1,2", "7,-2.5,3"]


def test_rows_of_the_batch_after_the_checkpoint_are_dropped(folder):
    """A batch's episodes are written with the step that it began at."""
    folder.episodes.write_text(f"{HEAD}\n10,1,2\n20,1,2\n")
    folder.metrics.write_text('{"step": 20}\n{"step": 30}\n')
    Logger(folder, 20).close()
    assert rows_of(folder) == [HEAD, "10,1,2"]
    assert folder.metrics.read_text() == '{"step": 20}\n'


def test_nothing_is_lost_on_a_full_disk(folder, monkeypatch):
    folder.metrics.write_text('{"step": 10}\n' * 9 + '{"step": 1')
    before = folder.metrics.read_text()

    class Full(io.StringIO):
        def writelines(self, lines):
            raise OSError(errno.ENOSPC, "No space left on device")

    opened = pathlib.Path.open
    monkeypatch.setattr(
        pathlib.Path, "open", lambda path, *args, **kwargs: Full() if "w" in args else opened(path, *args, **kwargs)
    )
    with pytest.raises(OSError, match=r"No space left on device: '.*metrics.jsonl'"):
        Logger(folder, 20)
    assert folder.metrics.read_text() == before


def test_a_log_that_is_whole_is_not_written_anew(folder):
    Logger(folder).close()
    os.utime(folder.metrics, (1, 1))
    os.utime(folder.episodes, (1, 1))
    Logger(folder, 20).close()
    assert folder.metrics.stat().st_mtime == folder.episodes.stat().st_mtime == 1


def test_an_empty_file_gets_its_head(folder):
    folder.episodes.write_text("")
    Logger(folder, 20).close()
    assert rows_of(folder) == [HEAD]


@pytest.mark.parametrize("name", ["metrics.jsonl", "episodes.csv"])
def test_a_file_that_is_no_log_is_refused_without_reading_all_of_it(folder, name):
    """A file with a hole of a terabyte takes no room on the disk, and must take none in memory."""
    path = folder.path / name
    with path.open("wb") as file:
        file.write(b"5,1,2\n")
        file.truncate(1 << 40)
    with pytest.raises(
        ConfigurationError, match=rf"run_dir: .*{name}, line 2: has more than 1,048,576 bytes"
    ) as caught:
        Logger(folder, 20)
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="line 2") if name == "episodes.csv" else nullcontext():
        longest_episode(folder)


def test_lines_that_windows_has_ended_are_lines(folder):
    folder.metrics.write_bytes(b'{"step": 10}\r\n{"step": 30}\r\n')
    folder.episodes.write_bytes(f"{HEAD}\r\n5,1,2\r\n".encode())
    assert longest_episode(folder) == 2
    Logger(folder, 20).close()
    assert folder.metrics.read_text() == '{"step": 10}\n'
    assert rows_of(folder) == [HEAD, "5,1,2"]


def test_a_last_line_torn_within_a_character_is_dropped(folder):
    folder.metrics.write_bytes(b'{"step": 10}\n' + '{"name": "é'.encode()[:-1])
    Logger(folder, 20).close()
    assert folder.metrics.read_text() == '{"step": 10}\n'


def events_in(path):
    """Return the events of a file."""
    data, found = path.read_bytes(), []
    while data:
        length = int.from_bytes(data[:8], "little")
        found.append(Event.FromString(data[12 : 12 + length]))
        data = data[12 + length + 4 :]
    return found


def tags_in(path):
    """Return the tags of the scalars in a file."""
    return {value.tag for event in events_in(path) for value in event.summary.value}


def purged_from(folder):
    """Return the steps from which event files let TensorBoard forget what is there."""
    events = [event for path in sorted(folder.path.glob("events.out.*")) for event in events_in(path)]
    return [event.step for event in events if event.HasField("session_log")]


def test_tensorboard_keeps_the_line_at_the_checkpoint(folder):
    Logger(folder).close()
    assert purged_from(folder) == []
    Logger(folder, 1000).close()
    assert purged_from(folder) == [1001]


def test_tensorboard_forgets_a_run_that_ended_before_its_first_checkpoint(folder):
    for _ in range(2):
        Logger(folder).close()
    assert purged_from(folder) == [1]


def scalars_of(path):
    """Return the step of each event of a file that has scalars."""
    return [event.step for event in events_in(path) if event.HasField("summary")]


def test_a_process_that_goes_on_needs_no_other_event_file(folder):
    for step, goes_on in ((1, False), (2, True), (3, False), (4, True)):
        logger = Logger(folder, step, goes_on)
        logger.write(step, {"loss": 1.0})
        logger.close()
    assert [scalars_of(path) for path in sorted(folder.path.glob("events.out.*"))] == [[1, 2], [3, 4]]
    assert purged_from(folder) == [4]


def test_tools_that_take_the_place_of_tensorboards_writer_learn_the_folder(folder, monkeypatch):
    """As W&B's sync_tensorboard does, which then follows the file that the writer has made."""
    from tensorboardX import writer

    told = []

    class Telling(writer.EventFileWriter):
        def __init__(self, logdir, *args, **kwargs):
            told.append(logdir)
            super().__init__(logdir, *args, **kwargs)

    monkeypatch.setattr(writer, "EventFileWriter", Telling)
    logger = Logger(folder)
    logger.write(7, {"loss": 1.0})
    logger.close()
    (path,) = folder.path.glob("events.out.*")
    assert told == [str(folder.path)] and scalars_of(path) == [7]


@pytest.mark.parametrize("moment", ["open", "flush"])
def test_an_event_file_that_fails_ends_the_beginning_of_a_run_and_no_other(folder, monkeypatch, moment):
    """Open files name nothing in their errors; ours do."""

    class Failing(io.BytesIO):
        def fileno(self):
            raise OSError(errno.EIO, "Input/output error")

    def fails(path):
        if moment == "open":
            raise OSError(errno.EIO, "Input/output error")
        return Failing()

    Logger(folder).close()
    monkeypatch.setattr("hsuanwu.engine.event_file._Appending.open", staticmethod(fails))
    with pytest.raises(OSError, match=r"Input/output error: '.*events.out.tfevents"):
        Logger(folder, 10)
    with pytest.warns(RunWarning, match=r"events.out.*cannot be written \(Input/output error\)") as told:
        logger = Logger(folder, 10, goes_on=True)
        logger.write(20, {"loss": 1.0})
        logger.close()
    assert len(told) == 1 and folder.metrics.read_text() == '{"step": 20, "loss": 1.0}\n'


def interrupted(at, call):
    """Run a call, with an interrupt at so-and-so many lines of Python; return whether it came so far."""
    left = at

    def trace(frame, event, argument):
        nonlocal left
        left -= event == "line"
        if left == 0:
            raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(None)
    return False


def test_an_interrupt_anywhere_in_a_line_leaves_a_logger_that_closes(folder):
    at, again = 0, True
    while again:
        at += 1
        logger = Logger(folder)
        logger.write(1, {})
        again = interrupted(at, lambda logger=logger: logger.write(2, {"loss": 1.0}))
        closing = threading.Thread(target=logger.close, daemon=True)
        closing.start()
        closing.join(PATIENCE)
        assert not closing.is_alive(), f"interrupted at line {at}"
    assert at > 10
