"""What this process asks of the machine: a CPU of its own, memory that stays, no surprise pauses.

Here lives everything that is set for the process as a whole. A privilege that is missing is never
an error: ``configure`` takes what it gets, and says in one line each what is missing, what that
costs and how to grant it. Sockets and files never live here.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import socket
from pathlib import Path
from typing import Final, NamedTuple

from core.io.clock import NowNs
from core.io.loop import Record
from core.io.transport import allow_busy_poll
from core.model.errors import BadConfig
from core.model.units import NS_PER_S

HIGHEST_PRIORITY: Final = -20
"""The nicest to ourselves. Not SCHED_FIFO: the kernel stops a spinning real-time thread for 50 ms
of every second (sched_rt_runtime_us), and on its CPU starves the soft interrupts that bring it
its packets."""

YOUNG_OBJECTS: Final = 700
"""So many new containers are worth a young collection: CPython's own threshold, 20 to 50 us."""

YOUNG_ROUNDS: Final = 10
"""So many young collections are worth one of the middle generation: CPython's own threshold."""

FULL_EVERY_NS: Final = 60 * NS_PER_S
"""Between two full collections: what one minute left behind is small enough for an idle moment."""

FEWEST_FILES: Final = 64
"""Descriptors that a run needs: some 25 for itself, its connections and its REST connections, and
as many again while connections are replaced and clients watch."""

_MCL_ALL_ON_FAULT: Final = 1 | 2 | 4  # MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT: include/uapi mman.h
_CAP_IPC_LOCK: Final = 14  # include/uapi/linux/capability.h


def configure(cpu: int | None) -> list[str]:
    """Take a CPU, priority, locked memory and busy polling; return a connection for each not
    granted.

    ``cpu`` None leaves the choice of the CPU to the kernel, and the priority as it is: only on a
    CPU of our own does nobody else starve. To be called in the main thread, before
    anything is timed.
    """
    missing = [_lock_memory(), _busy_poll()]
    if cpu is not None:
        missing = [_pin(cpu), _raise_priority(), *missing]
    return [line for line in missing if line]


class Memory(NamedTuple):
    """Resident memory of this process, in bytes."""

    own: int
    """What it has allocated: flat, or something leaks."""
    mapped: int
    """Pages of files and libraries: the journal's segments are among them while they are open."""


def memory() -> Memory:
    """Return the resident memory of this process."""
    found = {}
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name in ("RssAnon", "RssFile", "RssShmem"):
            found[name] = int(value.split()[0]) * 1024
    return Memory(found["RssAnon"], found["RssFile"] + found["RssShmem"])


class Garbage:
    """When Python's cyclic garbage is collected: at idle, in small portions, and never by itself.

    ``freeze`` once all is built; ``collect`` is a slice of idle work. What it took is recorded as
    the hop ``gc``.
    """

    def __init__(self, now_ns: NowNs, record: Record) -> None:
        self._now_ns = now_ns
        self._record = record
        self._full_ns = 0

    def freeze(self) -> None:
        """Collect once, leave what is alive alone for good, and end automatic collection."""
        gc.disable()
        gc.collect()
        gc.freeze()
        self._full_ns = self._now_ns() + FULL_EVERY_NS

    def thaw(self) -> None:
        """Give the collection back to Python, as it was before ``freeze``."""
        gc.unfreeze()
        gc.enable()

    def collect(self) -> None:
        """Collect what is due. After a full collection the survivors are left alone for good.

        That keeps the next one as small as this one; the price is a minute-old cycle that dies
        later, such as a connection's, a few kilobytes each.
        """
        young, rounds, _ = gc.get_count()
        if young < YOUNG_OBJECTS:
            return
        began_ns = self._now_ns()
        if began_ns >= self._full_ns:
            gc.collect()
            gc.freeze()
            self._full_ns = began_ns + FULL_EVERY_NS
        else:
            gc.collect(1 if rounds >= YOUNG_ROUNDS else 0)
        self._record("gc", self._now_ns() - began_ns)


def _pin(cpu: int) -> str:
    try:
        os.sched_setaffinity(0, {cpu})
    except OSError:
        allowed = ", ".join(map(str, sorted(os.sched_getaffinity(0))))
        return (
            f"not pinned to CPU {cpu}: moving between CPUs costs some 10 us each time; name one "
            f"that this process may use ({allowed}), or widen its cpuset (systemd: AllowedCPUs=)"
        )
    return ""


def _raise_priority() -> str:
    try:
        os.setpriority(os.PRIO_PROCESS, 0, HIGHEST_PRIORITY)
    except PermissionError:
        return (
            "no higher priority: other processes on this CPU cost milliseconds; grant CAP_SYS_NICE "
            "or LimitNICE=-20 (systemd), or 'nice -20' in limits.conf"
        )
    return ""


def _lock_memory() -> str:
    """Keep every page that was touched once.

    Only where that has no bound: with one, allocations would fail as soon as it is reached.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if soft == resource.RLIM_INFINITY or _has_capability(_CAP_IPC_LOCK):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mlockall(_MCL_ALL_ON_FAULT) == 0:
            return ""
    return (
        "memory not locked: a page that was swapped out costs milliseconds; grant CAP_IPC_LOCK or "
        "LimitMEMLOCK=infinity (systemd), or 'memlock unlimited' in limits.conf"
    )


def _busy_poll() -> str:
    with socket.socket() as sock:
        if allow_busy_poll(sock):
            return ""
    return (
        "no busy polling of the network card: its interrupt costs 5 to 20 us a packet; grant "
        "CAP_NET_ADMIN, or set sysctl net.core.busy_read=50"
    )


def _has_capability(number: int) -> bool:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return False


def check_descriptors() -> None:
    """Take as many descriptors as a run needs. Raises ``BadConfig`` where there are fewer.

    Found out later it would be a connection that cannot be dialled, or a guardian that cannot be
    started.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < FEWEST_FILES:
        if 0 <= hard < FEWEST_FILES:
            raise BadConfig(
                f"only {hard} files may be open at once, and a run needs {FEWEST_FILES}: raise the "
                f"limit (ulimit -n {4 * FEWEST_FILES}; LimitNOFILE= for systemd)"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (FEWEST_FILES, hard))
