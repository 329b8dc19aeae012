"""The shards of a plan written by several processes, or machines, with Ray Data.

A worker is given ranges of rows, not texts: it reads its range, embeds it and writes the shard. So
nothing large goes through Ray, a Parquet file of one row group still feeds every worker, no reader
waits for a processor that the workers hold, and the order in which they finish does not matter.
"""

import logging
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from embfilter_viz.corpus.embedding import DOING, Embedded, Reader, embedded
from embfilter_viz.corpus.parts import Part
from embfilter_viz.corpus.plan import Plan, Shard
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.system.files import temporary_folder
from embfilter_viz.system.progress import Progress, silent, with_heartbeat

__all__ = ["embed_on_ray"]

_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
"""Ray reports its use to its makers unless it is told not to."""
_STORE_BYTES = 80 << 20
"""Room for what goes through Ray, which is little: near the least that it takes."""
_HOST_AND_PORT = re.compile(r"(?:ray://)?([^:/\s]+|\[[0-9a-fA-F:]+\]):(\d{1,5})")
_WAY_OUT = (
    "start one with ray start --head and give its address as HOST:PORT, or leave --ray out for "
    "workers on this machine"
)
_SECONDS_TO_ANSWER = 5.0
"""In which a cluster must take a connection."""
_SECONDS_TO_END = 5.0
"""Granted to Ray's processes before they are killed."""


class _Worker:
    """One process of many: it opens the model with its first range, and keeps it."""

    def __init__(self, plan: Plan, opens: Callable[[], Model], threads: int) -> None:
        self._plan, self._opens, self._threads = plan, opens, threads
        self._reader: Reader | None = None

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list[Any]]:
        (i,) = batch["part"]
        counts, error = [0, 0, 0], ""
        try:
            shard = self._write(self._plan.corpus.parts[int(i)])
            counts = [shard.rows, shard.without_text, shard.cut]
        except InputError as refused:
            error = str(refused)
        return {"counts": [np.array(counts)], "error": [error]}

    def _write(self, part: Part) -> Shard:
        if self._reader is None:
            model = self._opens()
            model.encoder.threads = self._threads
            self._reader = Reader(self._plan, model)
        return self._reader.write(part)


def embed_on_ray(
    opens: Callable[[], Model],
    plan: Plan,
    *,
    workers: int,
    address: str | None = None,
    progress: Progress = silent,
) -> Embedded:
    """Write the shards that are missing with several workers, each with a model of its own.

    Args:
        opens: opens the model that the plan was made for, such as ``partial(open_model, "m")``.
        plan: as :func:`~embfilter_viz.corpus.plan.plan_for` makes it; in a cluster of several
            machines its corpus and folder lie where all of them see them.
        workers: how many processes hold the model; each takes its part of the processors and of
            the graphics cards.
        address: of a cluster that runs; without it one is started on this machine for this run.
        progress: told of the texts; may raise ``Cancelled``.

    Returns:
        what lies in the shards.

    Raises:
        InputError: Ray is not installed, no such cluster, a shard of another plan, or texts that
            the model cannot read.
    """
    there, missing = plan.look(progress)
    before = sum(shard.rows for shard in there)
    if not missing:
        return embedded(plan, there, before)
    places = {part: i for i, part in enumerate(plan.corpus.parts)}

    # Workers may stand in another folder.
    corpus = replace(plan.corpus, path=plan.corpus.path.absolute())
    sent = replace(plan, corpus=corpus, folder=plan.folder.absolute())

    def work(told: Progress) -> list[Shard]:
        done, made = before, list[Shard]()
        told(DOING, done, plan.corpus.rows, "texts")
        for shard in _written(opens, sent, [places[part] for part in missing], workers):
            made.append(shard)
            done += shard.rows
            told(DOING, done, plan.corpus.rows, "texts")
        return made

    with _cluster(workers, address):
        made = with_heartbeat(work, progress, "Starting Ray")
    return embedded(plan, [*there, *made], before)


def _written(
    opens: Callable[[], Model], plan: Plan, numbers: list[int], workers: int
) -> Iterator[Shard]:
    """Have the ranges of these numbers written, and return their shards as they are finished.

    Args:
        opens: opens the model.
        plan: the plan.
        numbers: places among the corpus's ranges.
        workers: how many at most.

    Returns:
        what they hold, in the order in which they are finished.
    """
    import ray
    import ray.data

    workers = min(workers, len(numbers))
    has = ray.cluster_resources()
    cores, cards = has.get("CPU", 1.0) / workers, has.get("GPU", 0.0) / workers
    tasks = ray.data.from_items([{"part": i} for i in numbers], override_num_blocks=len(numbers))
    found = tasks.map_batches(
        _Worker,
        fn_constructor_args=(plan, opens, max(1, int(cores))),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=int(cores) if cores > 1 else cores,
        num_gpus=int(cards) if cards > 1 else cards,
    )
    for row in found.iter_rows():
        if row["error"]:
            raise InputError(str(row["error"]))
        yield Shard(*(int(count) for count in row["counts"]))


@contextmanager
def _cluster(workers: int, address: str | None) -> Iterator[None]:
    """Join a cluster, or start one on this machine; leave it, or end all its processes."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise InputError(
            f"--workers {workers}: Ray is not installed; pip install 'embfilter-viz[ray]', or "
            "leave this option out"
        ) from error
    if address is not None:
        _check_answers(address)
    others = set(psutil.Process().children(recursive=True))
    with temporary_folder("ray") as folder:
        of_ours: dict[str, Any] = {
            "include_dashboard": False,
            "object_store_memory": _STORE_BYTES,
            "_node_ip_address": "127.0.0.1",
            "_temp_dir": str(folder),
        }
        try:
            try:
                with _hushed():
                    ray.init(
                        address=address or "local",
                        log_to_driver=False,
                        logging_level=logging.ERROR,
                        **({} if address else of_ours),
                    )
            except (ConnectionError, RuntimeError, ValueError, OSError) as error:
                said = (str(error).strip().splitlines() or [type(error).__name__])[0]
                raise InputError(
                    f"--ray {address or 'here'}: Ray does not start: {said}; {_WAY_OUT}"
                ) from error
            settings = ray.data.DataContext.get_current()
            settings.enable_progress_bars = False
            logging.getLogger("ray.data").setLevel(logging.ERROR)
            yield
        finally:
            ours = set(psutil.Process().children(recursive=True)) - others
            ray.shutdown()
            _, left = psutil.wait_procs(ours, timeout=_SECONDS_TO_END)
            for process in left:
                with suppress(psutil.Error):
                    process.kill()


def _check_answers(address: str) -> None:
    """Refuse the address of a cluster at which nothing listens; Ray itself asks for half a minute.

    Words without a port, such as ``auto``, are Ray's to understand.

    Raises:
        InputError: nothing answers there within some seconds.
    """
    found = _HOST_AND_PORT.fullmatch(address)
    if found is None:
        if address != "auto":
            raise InputError(f"--ray {address!r}: is no address; {_WAY_OUT}")
        return
    try:
        socket.create_connection((found[1].strip("[]"), int(found[2])), _SECONDS_TO_ANSWER).close()
    except (OSError, OverflowError, ValueError) as error:
        raise InputError(
            f"--ray {address}: no cluster answers there "
            f"({getattr(error, 'strerror', None) or error}); {_WAY_OUT}"
        ) from error


@contextmanager
def _hushed() -> Iterator[None]:
    """Nothing on standard error: Ray's own start writes there how it logs; faults are raised."""
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
