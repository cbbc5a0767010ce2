"""Shared memory for pixels: anonymous files that cannot shrink, so that no reader can be hurt."""

import ctypes
import fcntl
import mmap
import os

from rotograph_host.framing import WireError

ADD_SEALS, GET_SEALS = 1033, 1034
SEAL_SHRINK = 2
_CLOSE_ON_EXEC, _ALLOW_SEALING = 1, 2
MAX_BYTES = 1 << 36
"""Bytes of one segment."""


def create(size):
    """(descriptor, map) of a new segment of ``size`` bytes, sealed against shrinking."""
    descriptor = _memfd("rotograph")
    try:
        os.ftruncate(descriptor, size)
        fcntl.fcntl(descriptor, ADD_SEALS, SEAL_SHRINK)
        return descriptor, mmap.mmap(descriptor, size)
    except BaseException:
        os.close(descriptor)
        raise


def check(descriptor, size):
    """Raise WireError unless the segment holds ``size`` bytes and can never hold fewer.

    Seals exist on memory files only, so this also refuses every other kind of descriptor.
    """
    try:
        seals = fcntl.fcntl(descriptor, GET_SEALS)
        held = os.fstat(descriptor).st_size
    except OSError:
        raise WireError("the descriptor is not one of a shared memory file (memfd)") from None
    if not seals & SEAL_SHRINK:
        raise WireError("the segment is not sealed against shrinking (F_SEAL_SHRINK)")
    if not 0 < size <= min(held, MAX_BYTES):
        raise WireError(f"the segment holds {held} bytes, not {size}")


def read_only(descriptor, size):
    """A map of the segment's first ``size`` bytes that cannot be written; raises WireError."""
    check(descriptor, size)
    return mmap.mmap(descriptor, size, prot=mmap.PROT_READ)


def _memfd(name):
    if hasattr(os, "memfd_create"):
        return os.memfd_create(name, _CLOSE_ON_EXEC | _ALLOW_SEALING)
    call = ctypes.CDLL(None, use_errno=True).memfd_create
    call.argtypes, call.restype = [ctypes.c_char_p, ctypes.c_uint], ctypes.c_int
    descriptor = call(name.encode(), _CLOSE_ON_EXEC | _ALLOW_SEALING)
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return descriptor
