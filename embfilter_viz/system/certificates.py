"""Certificates that other machines are known by, where environment variables name them."""

import os
import ssl

from embfilter_viz.errors import InputError

__all__ = ["check_certificates"]


def check_certificates() -> None:
    """Check that ``SSL_CERT_FILE`` can be read, before a library is given it.

    Raises:
        InputError: there is no such file, or it holds no certificates.

    >>> from unittest.mock import patch
    >>> with patch.dict("os.environ", {"SSL_CERT_FILE": "no-such.pem"}):
    ...     check_certificates()
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: SSL_CERT_FILE='no-such.pem': no certificates can be read ...
    """
    said = os.environ.get("SSL_CERT_FILE")
    if not said:
        return
    try:
        ssl.create_default_context(cafile=said)
    except (OSError, ValueError) as error:  # of OpenSSL too
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise InputError(
            f"SSL_CERT_FILE={said!r}: no certificates can be read there ({reason}); name a file "
            "of them, or unset it"
        ) from error
