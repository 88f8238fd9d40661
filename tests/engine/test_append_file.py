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
    with pytest.warns(RunWarning, match="the last 2 lines are lost"):
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
