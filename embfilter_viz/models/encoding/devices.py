"""Where a model can run, and in what precision."""

import importlib.util
import os
import platform
import sys
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from embfilter_viz.errors import InputError

__all__ = [
    "BYTES",
    "DEVICES",
    "PRECISIONS",
    "Device",
    "Precision",
    "check_precision",
    "devices_here",
    "memory_of_device",
    "resolve_device",
]

Device = Literal["cpu", "cuda", "mps"]
Precision = Literal["float32", "bfloat16", "float16"]

DEVICES: tuple[str, ...] = ("auto", *get_args(Device))
"""What can be asked for; ``auto`` is the fastest that is here."""
PRECISIONS: tuple[str, ...] = get_args(Precision)
"""In what numbers a model can run; float32 is what every figure of the project was made in."""
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
"""Of one number."""

_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg", r"C:\Windows\System32\nvcuda.dll")
"""Where the driver of a graphics card shows: NVIDIA, AMD, Windows' own Linux, Windows."""


def devices_here(*, ask_torch: bool = True) -> tuple[Device, ...]:
    """The devices of this machine, the fastest first; ``cpu`` is always the last.

    Args:
        ask_torch: import torch to know (over a second) where there may be more than a processor;
            else, until somebody has imported it, tell from its build and from the drivers.

    >>> devices_here()[-1]
    'cpu'
    """
    if not (accelerator := _likely_accelerator()):
        return ("cpu",)
    if not ask_torch and not _is_imported("torch"):
        return (accelerator, "cpu")
    import torch

    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return (accelerator, "cpu") if present[accelerator] else ("cpu",)


def resolve_device(asked: str) -> Device:
    """The device meant by ``asked``, one of :data:`DEVICES`.

    Raises:
        InputError: no such device, or not on this machine.

    >>> resolve_device("tpu")
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: device 'tpu': unknown; pick one of auto, cpu, cuda, mps
    """
    if asked not in DEVICES:
        raise InputError(f"device {asked!r}: unknown; pick one of {', '.join(DEVICES)}")
    if asked == "cpu":
        return "cpu"
    here = devices_here()
    for device in here:
        if asked in ("auto", device):
            return device
    raise InputError(
        f"device {asked!r}: not present on this machine, or torch was built without it; pick one "
        f"of {', '.join(('auto', *here))}"
    )


def check_precision(dtype: str) -> Precision:
    """``dtype`` if it is one of :data:`PRECISIONS`.

    Raises:
        InputError: it is not.
    """
    for known in get_args(Precision):
        if dtype == known:
            return known
    raise InputError(f"dtype {dtype!r}: unknown; pick one of {', '.join(PRECISIONS)}")


def memory_of_device(device: Device) -> int | None:
    """Bytes free on a graphics card; None where the model lies in the machine's own memory."""
    if device != "cuda":
        return None
    import torch

    return int(torch.cuda.mem_get_info()[0])


def _is_imported(name: str) -> bool:
    """Tell whether a module is there to be asked, not still being imported by another thread."""
    module = sys.modules.get(name)
    return module is not None and not getattr(module.__spec__, "_initializing", False)


def _likely_accelerator() -> Device | None:
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return "mps"
    # Not asked of torch: the first page must not wait for its import.
    return "cuda" if _built_for_cards() and any(map(os.path.exists, _DRIVERS)) else None


@cache
def _built_for_cards() -> bool:
    """Tell whether torch was built for CUDA or ROCm, as its own version file says."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return False
    try:
        lines = Path(found.origin).with_name("version.py").read_text().splitlines()
    except OSError:
        return True  # so that torch itself is asked
    said = [line for line in lines if line.startswith(("cuda:", "hip:", "cuda =", "hip ="))]
    return not said or any(not line.rstrip().endswith("None") for line in said)
