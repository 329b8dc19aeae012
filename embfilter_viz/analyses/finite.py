"""Numbers that JSON has: it knows no infinity and nothing undefined."""

import math
from typing import Any

__all__ = ["finite"]


def finite(record: Any) -> Any:
    """The record with ``None`` (JSON's null) for every number that is infinite or undefined.

    >>> finite({"condition_number": float("inf"), "shift": [0.5, float("nan")]})
    {'condition_number': None, 'shift': [0.5, None]}
    """
    if isinstance(record, dict):
        return {name: finite(value) for name, value in record.items()}
    if isinstance(record, list | tuple):
        return [finite(value) for value in record]
    return None if isinstance(record, float) and not math.isfinite(record) else record
