"""The kernels OpenBLAS multiplies with, on processors it does not know yet.

NumPy and SciPy bring OpenBLAS, which picks its kernels when it is loaded, by the processor's
family. Releases up to 0.3.31 do not list AMD's family 26 (Zen 5) and give it AVX2 kernels although
it has AVX-512 (OpenBLAS issue 6029, mended there by pull request 6033). Named in an environment
variable before NumPy is loaded, the right ones run a spectrum 1.4 to 1.7 times as fast.
"""

import os
import sys
from pathlib import Path

__all__ = ["VARIABLE", "choose_kernels", "kernels_for"]

VARIABLE = "OPENBLAS_CORETYPE"
"""The environment variable that OpenBLAS reads; who sets it is obeyed."""

_NEEDED = {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}
"""What the kernels named SkylakeX may use (the flags of a Skylake server)."""


def choose_kernels(cpuinfo: str = "/proc/cpuinfo") -> str | None:
    """Name the kernels in the environment where OpenBLAS would take the wrong ones.

    Nothing happens once NumPy is loaded, where the variable is set, and anywhere but on Linux.

    Returns:
        The kernels named, or None.

    >>> import numpy
    >>> choose_kernels() is None
    True
    """
    if "numpy" in sys.modules or VARIABLE in os.environ or sys.platform != "linux":
        return None
    try:
        with Path(cpuinfo).open(encoding="utf-8", errors="replace") as lines:
            first = lines.read(4096)  # one processor stands for all, and a server has hundreds
    except OSError:
        return None
    kernels = kernels_for(first)
    if kernels:
        os.environ[VARIABLE] = kernels
    return kernels


def kernels_for(processor: str) -> str | None:
    r"""Kernels to name for a processor that Linux describes so, None to leave the choice alone.

    >>> flags = "avx2 avx512f avx512cd avx512bw avx512dq avx512vl"
    >>> kernels_for(f"vendor_id : AuthenticAMD\ncpu family : 26\nflags : {flags}\n\n")
    'SkylakeX'
    >>> kernels_for("vendor_id : AuthenticAMD\ncpu family : 26\nflags : avx2\n\n")
    """
    lines = processor.split("\n\n")[0].splitlines()
    said = {name.strip(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    unknown = said.get("vendor_id") == "AuthenticAMD" and said.get("cpu family") == "26"
    return "SkylakeX" if unknown and set(said.get("flags", "").split()) >= _NEEDED else None
