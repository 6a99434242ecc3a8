"""Memory of a device: what is free, what a piece of work took, and an allocator that keeps pages."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import torch

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # glibc's malloc.h
_MAPPINGS = 65536  # glibc's own default
_kept: dict[str, ctypes.CDLL] = {}
_CGROUP = Path("/sys/fs/cgroup")


def free_bytes(device: torch.device) -> int:
    """Bytes that new tensors may take on a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = int(psutil.virtual_memory().available)
    limit, used = _number(_CGROUP / "memory.max"), _number(_CGROUP / "memory.current")
    if limit is not None and used is not None:
        free = min(free, max(0, limit - used))
    return free


def keep_pages() -> None:
    """Let the processor's allocator keep what it once got, instead of giving it back and asking again.

    glibc maps every large tensor anew, and the first touch of each fresh page costs more than many an
    operation on it: convolutions of a 1024² picture take 1.4 times as long, casts 10 times. Only the
    main arena keeps large tensors, so threads begun after this get none of their own; one that has
    its own already goes on mapping. Does nothing where the C library is another one.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(_M_ARENA_MAX, 1)
        _kept["libc"] = libc


def let_go() -> int:
    """Drop what nobody uses, and give cached memory of the GPU back; returns this process's bytes.

    The processor's kept pages stay: with ``malloc_trim`` here the next print took 1.15 times as long.
    """
    gc.collect()
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()
    return int(psutil.Process().memory_info().rss)


@contextlib.contextmanager
def lasting() -> Iterator[None]:
    """For large tensors that stay: they are mapped by themselves, and freed without leaving a hole.

    Undoes ``keep_pages`` meanwhile; among kept pages they would sit between short-lived tensors.
    """
    libc = _kept.get("libc")
    if libc is None:
        yield
        return
    libc.mallopt(_M_MMAP_MAX, _MAPPINGS)
    try:
        yield
    finally:
        libc.mallopt(_M_MMAP_MAX, 0)


def peak_bytes(work: Callable[[], object], device: torch.device) -> int | None:
    """Bytes that ``work`` took at its peak beyond what there was before; None if nobody counts them.

    On a processor it is the process's resident size, so memory that was kept from earlier work hides
    what is taken now: measure in a fresh process.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        torch.cuda.synchronize(device)
        return int(torch.cuda.max_memory_allocated(device) - before)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
        start = _resident("VmRSS:")
        work()
        return _resident("VmHWM:") - start
    except OSError:
        return None


def _resident(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise OSError(name)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
