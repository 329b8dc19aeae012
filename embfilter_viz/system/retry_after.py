"""How long a busy server asks to wait (RFC 9110, section 10.2.3)."""

import time
from email.utils import parsedate_to_datetime

__all__ = ["seconds_asked"]


def seconds_asked(said: str | None) -> float | None:
    """Seconds by a ``Retry-After`` header: a number, or a date; None where it says neither.

    >>> seconds_asked("2"), seconds_asked(None), seconds_asked("soon"), seconds_asked("nan")
    (2.0, None, None, None)
    >>> seconds_asked("Wed, 21 Oct 2015 07:28:00 GMT")
    0.0
    """
    said = (said or "").strip()
    if said.isdecimal() and len(said) < 10:
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None
