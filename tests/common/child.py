"""What spawned processes of the tests do."""

import signal

from tests.waiting import PATIENCE


def write_and_wait(slab, may_write, is_written):
    """Check what the parent wrote, write something else, and stay until killed."""
    assert may_write.wait(PATIENCE)
    assert slab.tensors["x"].tolist() == [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    assert all(tensor.data_ptr() % 64 == 0 for tensor in slab.tensors.values())
    slab.tensors["x"].fill_(2.0)
    slab.tensors["flags"][1] = True
    is_written.set()
    signal.pause()
