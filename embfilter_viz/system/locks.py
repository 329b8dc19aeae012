"""One process at a time, without freezing those who wait."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embfilter_viz.system.progress import Progress, silent

__all__ = ["waiting_for"]

logger = logging.getLogger(__name__)


@contextmanager
def waiting_for(lock: Path, what: str, progress: Progress = silent) -> Iterator[None]:
    """Hold the lock file ``lock``; while another process or thread has it, say so and wait.

    The system lets go of it when the process that holds it ends, however it ends. Where there can
    be no lock file (a read-only or full disk, or one without locks), nobody is waited for.

    Args:
        lock: the lock file; its folder must exist.
        what: what is waited for, in words.
        progress: called several times a second while waiting; may raise to give up.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with waiting_for(Path(folder, "a.lock"), "nobody"):
    ...         Path(folder, "a.lock").exists()
    True
    """
    from filelock import FileLock, Timeout

    held = FileLock(lock, thread_local=False)
    while True:
        try:
            held.acquire(timeout=0.2, poll_interval=0.05)
            break
        except Timeout:
            progress(f"waiting for {what}", 0, 0, "")
        except (OSError, NotImplementedError) as error:
            logger.debug("%s: cannot be locked (%s)", lock, error)
            break
    try:
        yield
    finally:
        held.release()
