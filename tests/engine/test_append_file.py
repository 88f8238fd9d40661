"""Files that a run appends to: nothing is torn, nothing is lost that could be kept, and the run goes on."""

import errno
import os
import shutil

import pytest

from hsuanwu.common.errors import RunWarning
from hsuanwu.engine.append_file import AppendFile


def write(file, *lines):
    for line in lines:
        file.write(line)
        file.flush()


def failing(monkeypatch, error, after=0):
    """Let ``os.write`` fail with an error, after so many bytes; return what ends that."""
    right = os.write

    def fails(descriptor, data):
        if after:
            right(descriptor, bytes(data[:after]))
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "write", fails)
    return lambda: monkeypatch.setattr(os, "write", right)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize("after", [0, 3])
def test_what_could_not_be_written_is_tried_again(tmp_path, monkeypatch, error, after):
    file = AppendFile(tmp_path / "log")
    write(file, "one\n")
    mend = failing(monkeypatch, error, after)
    with pytest.warns(RunWarning, match=r"log: cannot be written \(.*tried again") as told:
        write(file, "second\n", "third\n")
    assert len(told) == 1 and (tmp_path / "log").read_text() == "one\n", "no line is torn"
    mend()
    write(file, "fourth\n")
    file.close()
    assert (tmp_path / "log").read_text() == "one\nsecond\nthird\nfourth\n"


def test_what_is_lost_in_the_end_is_told(tmp_path, monkeypatch):
    file = AppendFile(tmp_path / "log")
    failing(monkeypatch, errno.ENOSPC)
    with pytest.warns(RunWarning, match="tried again"):
        write(file, "one\n")
    file.write("two\n")
    with pytest.warns(RunWarning, match=r"its last lines are lost \(2\)"):
        file.close()


def test_a_folder_that_was_removed_is_made_again(tmp_path):
    file = AppendFile(tmp_path / "log")
    write(file, "one\n")
    (tmp_path / "run").mkdir()
    second = AppendFile(tmp_path / "run" / "log")
    write(second, "one\n")
    shutil.rmtree(tmp_path / "run")
    write(second, "two\n")
    second.close()
    assert (tmp_path / "run" / "log").read_text() == "two\n"


def test_what_is_there_is_continued(tmp_path):
    for line in ("one\n", "two\n"):
        file = AppendFile(tmp_path / "log")
        write(file, line)
        file.close()
    assert (tmp_path / "log").read_text() == "one\ntwo\n"


def test_the_end_is_tried_twice(tmp_path, monkeypatch):
    """A fault that is over costs nothing, not even where there is but one line."""
    file, right, failures = AppendFile(tmp_path / "log"), os.fstat, [errno.EIO]

    def fails_once(descriptor):
        if failures:
            raise OSError(failures.pop(), "Input/output error")
        return right(descriptor)

    monkeypatch.setattr(os, "fstat", fails_once)
    file.write("one\n")
    with pytest.warns(RunWarning, match="tried again") as told:
        file.close()
    assert len(told) == 1 and (tmp_path / "log").read_text() == "one\n"


def test_a_file_that_cannot_be_closed_is_told(tmp_path, monkeypatch):
    file, close = AppendFile(tmp_path / "log"), os.close
    write(file, "one\n")

    def fails(descriptor):
        close(descriptor)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "close", fails)
    with pytest.warns(RunWarning, match=r"log: cannot be closed \(Input/output error\); its last lines may be lost"):
        file.close()


def test_a_file_that_is_opened_later_may_not_be_there_yet(tmp_path):
    (tmp_path / "log").mkdir()
    with pytest.raises(IsADirectoryError):
        AppendFile(tmp_path / "log")
    file = AppendFile(tmp_path / "log", at_once=False)
    with pytest.warns(RunWarning, match="log: cannot be written .Is a directory"):
        write(file, "one\n")
    (tmp_path / "log").rmdir()
    file.close()
    assert (tmp_path / "log").read_text() == "one\n"
