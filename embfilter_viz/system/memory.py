"""How much memory is free for a model: the machine's, or what a container leaves of it."""

from pathlib import Path

__all__ = ["in_words", "memory_free"]

_UNLIMITED = 1 << 60
"""Version 1 of cgroups writes 'no limit' as a number near 2 to the power 63."""


def memory_free(root: Path = Path("/")) -> int:
    """Bytes that can be taken before the kernel refuses or kills.

    The smaller of what the machine has available and what is left under each limit of the
    control groups (version 1 and 2) this process is in; page cache counts as free in both.

    Args:
        root: where ``proc`` and ``sys`` are found; another one only in tests.

    >>> memory_free() > 0
    True
    """
    import psutil

    return max(0, min([psutil.virtual_memory().available, *_left_in_groups(root)]))


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
