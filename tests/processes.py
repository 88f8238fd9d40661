"""What processes there are, and what they leave."""

from pathlib import Path

from tests.waiting import wait_until

DEV_SHM = Path("/dev/shm")


def is_alive(pid):
    """Return whether there is such a process and it is no zombie."""
    return _fields(pid)[:1] not in ([], ["Z"])


def children(pid):
    """Return the processes that the first thread of a process has started and that are there."""
    return [int(x) for x in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def group_members(group):
    """Return the processes of a process group that are not zombies."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if (fields := _fields(pid)) and fields[0] != "Z" and fields[2] == str(group)]


def _fields(pid):
    """Return state, parent and process group of a process, or nothing if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:3]
    except OSError:
        return []


def wait_for_ends(pids):
    """Return when none of these processes is there any more."""
    wait_until(lambda: not any(is_alive(pid) for pid in pids), f"the end of the processes {pids}")


def wait_for_empty_group(group):
    """Return when all processes of a process group have ended."""
    wait_until(lambda: not group_members(group), f"the end of all processes of group {group}")


def shared_files(*pids):
    """Return the names of shared memory that one of these processes made; torch puts its maker into a name."""
    makers = tuple(f"torch_{pid}_" for pid in pids)
    return sorted(path.name for path in DEV_SHM.iterdir() if path.name.startswith(makers))
