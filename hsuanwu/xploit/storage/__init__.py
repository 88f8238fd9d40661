"""Memory for experience."""

from hsuanwu.xploit.storage.base import Storage
from hsuanwu.xploit.storage.trajectory_storage import TrajectoryStorage

__all__ = ["Storage", "TrajectoryStorage"]
