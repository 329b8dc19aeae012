"""Arrays written by Python's own ``write``, which tells when a disk is full.

``numpy.save`` and ``ndarray.tofile`` write to a real file through a buffer of the C library, and do
not look at what comes of its last bytes: on a disk that fills up there, up to 4,096 of them are
missing and no error is raised (NumPy 2.4).
"""

from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

__all__ = ["write_npy", "write_numbers"]


def write_numbers(file: BinaryIO, array: np.ndarray) -> None:
    r"""Write the numbers of an array of any shape, row by row.

    Raises:
        OSError: the disk is full; of a file opened with a buffer, at the latest when it is closed.

    >>> import io
    >>> file = io.BytesIO()
    >>> write_numbers(file, np.array([[1, 2], [3, 4]], dtype=np.uint8).T)
    >>> file.getvalue()
    b'\x01\x03\x02\x04'
    """
    file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def write_npy(file: BinaryIO, array: np.ndarray) -> None:
    """Write an array of any shape as ``.npy``, version 1.0, row by row.

    Raises:
        OSError: the disk is full; of a file opened with a buffer, at the latest when it is closed.

    >>> import io
    >>> file = io.BytesIO()
    >>> write_npy(file, np.ones((2, 3), dtype=np.float32))
    >>> _ = file.seek(0)
    >>> np.load(file).sum()
    np.float32(6.0)
    """
    whole = np.ascontiguousarray(array).reshape(array.shape)  # of no dimension, too
    npy.write_array_header_1_0(file, npy.header_data_from_array_1_0(whole))
    write_numbers(file, whole)
