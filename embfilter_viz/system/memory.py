"""How much memory is free for a model: of the machine, a container, or a bound that was stated."""

import ctypes
import gc
import os
import re
import sys
from contextlib import suppress
from pathlib import Path

from embfilter_viz.errors import InputError

__all__ = [
    "MEMORY_VARIABLE",
    "give_back",
    "in_words",
    "keep_few_pools",
    "memory_bound",
    "memory_free",
    "resident",
    "size_of",
]

MEMORY_VARIABLE = "EMBFILTER_VIZ_MEMORY"
"""Environment variable: the most memory that the process and its children may take, as ``4 GB``."""

_UNITS = {"": 1, "B": 1, "MB": 10**6, "GB": 10**9, "MIB": 2**20, "GIB": 2**30}

_UNLIMITED = 1 << 60
"""Version 1 of cgroups writes 'no limit' as a number near 2 to the power 63."""


def memory_free(root: Path = Path("/")) -> int:
    """Bytes that can be taken before the kernel refuses or kills.

    The smallest of what the machine has available, what is left under each limit of the control
    groups (version 1 and 2) this process is in, and what is left of the bound that
    ``EMBFILTER_VIZ_MEMORY`` states; page cache counts as free in the first two.

    Args:
        root: where ``proc`` and ``sys`` are found; another one only in tests.

    >>> memory_free() > 0
    True
    """
    import psutil

    bound = memory_bound()
    of_bound = [] if bound is None else [bound - resident()]
    return max(0, min([psutil.virtual_memory().available, *_left_in_groups(root), *of_bound]))


def memory_bound() -> int | None:
    """Bytes that ``EMBFILTER_VIZ_MEMORY`` allows; ``None`` where it states no bound.

    Raises:
        InputError: it is no number of bytes, MB or GB.

    >>> from unittest.mock import patch
    >>> with patch.dict("os.environ", {"EMBFILTER_VIZ_MEMORY": "1.5 GB"}):
    ...     memory_bound()
    1500000000
    """
    said = os.environ.get(MEMORY_VARIABLE, "").strip()
    if not said:
        return None
    bound = size_of(said)
    if not bound:
        raise InputError(f"{MEMORY_VARIABLE}={said!r}: must be a size such as 4 GB or 800 MB")
    return bound


def size_of(said: str) -> int | None:
    """Bytes in words; ``None`` where they are no size.

    >>> size_of("1.5 GB"), size_of("20MB"), size_of("much")
    (1500000000, 20000000, None)
    """
    found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?)\s*([A-Za-z]*)", said.strip(), re.ASCII)
    unit = found and _UNITS.get(found[2].upper())
    return int(float(found[1]) * unit) if found and unit else None


def resident() -> int:
    """Bytes of memory that this process and its children hold."""
    import psutil

    total, me = 0, psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        with suppress(psutil.Error):  # it has ended meanwhile
            total += process.memory_info().rss
    return total


def give_back() -> None:
    """Collect garbage, and on Linux return freed memory to the machine."""
    gc.collect()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # a C library without it
            ctypes.CDLL("libc.so.6").malloc_trim(0)


POOLS = 2
"""Pools of freed memory that the C library may keep; of itself it keeps up to eight a core."""

_M_ARENA_MAX = -8
"""The number by which ``mallopt(3)`` knows the greatest count of pools."""


def keep_few_pools() -> None:
    """Have the C library keep freed memory in few pools, of which most goes back to the machine.

    Threads then wait for each other a little more when they take memory. It holds for what begins
    after it, so call it before any thread is started. Where ``MALLOC_ARENA_MAX`` or
    ``GLIBC_TUNABLES`` says another number, or the C library knows no such limit, nothing changes.
    """
    said = "MALLOC_ARENA_MAX" in os.environ or "arena_max" in os.environ.get("GLIBC_TUNABLES", "")
    if sys.platform == "linux" and not said:
        with suppress(OSError, AttributeError):  # a C library without it
            ctypes.CDLL("libc.so.6").mallopt(_M_ARENA_MAX, POOLS)


def in_words(n_bytes: float) -> str:
    """Bytes for people, in decimal units.

    >>> in_words(538e6), in_words(16.06e9)
    ('538 MB', '16.1 GB')
    """
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"


def _left_in_groups(root: Path) -> list[int]:
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []  # not Linux
    mount = root / "sys/fs/cgroup"
    left: list[int | None] = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            names = ("memory.max", "memory.current", "inactive_file")
            base = mount
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            base = mount / "memory"
        else:
            continue
        # A limit on any ancestor binds. Inside a container the group's own path is often not
        # mounted, and the mount itself is the container's group.
        folder = base / group.lstrip("/")
        while True:
            left.append(_left(folder, *names))
            if folder == base or base not in folder.parents:
                break
            folder = folder.parent
    return [value for value in left if value is not None]


def _left(folder: Path, limit_name: str, used_name: str, cache_name: str) -> int | None:
    try:
        limit = int((folder / limit_name).read_text())  # "max" where there is none
        used = int((folder / used_name).read_text())
        lines = (folder / "memory.stat").read_text().splitlines()
        stat = dict(line.split(maxsplit=1) for line in lines)
        cache = int(stat.get(cache_name, 0))
    except (OSError, ValueError):
        return None
    return None if limit >= _UNLIMITED else limit - used + cache
