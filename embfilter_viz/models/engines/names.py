"""``engine:URL#NAME``: which server reads the texts, and which checkpoint the head is read from."""

from dataclasses import dataclass

from embfilter_viz.errors import InputError

__all__ = ["PREFIX", "EngineName", "address_of", "is_engine"]

PREFIX = "engine:"
_FORM = (
    "write engine:URL#NAME, such as engine:http://localhost:8000#smollm2-135m, or "
    "engine:URL#SERVED=NAME where the engine calls the model SERVED"
)
_ENDINGS = ("/embeddings", "/embedding", "/pooling", "/api/embed", "/v1")


def is_engine(name: str) -> bool:
    """Tell whether ``name`` is a served engine.

    >>> is_engine("engine:http://localhost:8000#smollm2-135m"), is_engine("smollm2-135m")
    (True, False)
    """
    return str(name).strip().startswith(PREFIX)


@dataclass(frozen=True)
class EngineName:
    """A served engine as the user typed it.

    >>> EngineName.of("engine:http://localhost:11434/v1/#smollm2:135m=smollm2-135m")
    EngineName(url='http://localhost:11434', served='smollm2:135m', checkpoint='smollm2-135m')
    >>> str(EngineName.of("engine:http://localhost:8000#org/name"))
    'engine:http://localhost:8000#org/name'
    """

    url: str
    """The server's address, without the path of an endpoint and without a key."""
    served: str
    """What the engine calls the model; empty for the only one that it serves."""
    checkpoint: str
    """The model whose head, tokenizer and configuration are read on this machine."""

    @classmethod
    def of(cls, name: str) -> "EngineName":
        """Take a name apart.

        Raises:
            InputError: another form, a checkpoint that is none, or an address that
                :func:`address_of` refuses.
        """
        said = str(name).strip().removeprefix(PREFIX)
        url, _, model = said.partition("#")
        address = address_of(url)
        served, two, checkpoint = model.partition("=")
        if not two:
            checkpoint = served
        if not checkpoint.strip():
            raise InputError(
                f"{PREFIX}{address}: the model is missing, whose head is read here; {_FORM}"
            )
        if is_engine(checkpoint):
            raise InputError(
                f"{PREFIX}{address}: the head is read on this machine, so the name after the # "
                f"cannot be an engine; {_FORM}"
            )
        return cls(address, served.strip(), checkpoint.strip())

    def __str__(self) -> str:
        named = (
            self.served if self.served == self.checkpoint else f"{self.served}={self.checkpoint}"
        )
        return f"{PREFIX}{self.url}#{named}"


def address_of(url: str) -> str:
    """The address of a server, without the path of its endpoints.

    Raises:
        InputError: not http or https, no host, or a key in it, which would be kept and shown.

    >>> address_of("http://localhost:8000/v1/embeddings")
    'http://localhost:8000'
    >>> address_of("http://me:secret@host")
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: engine: the address has a user or password in it, which ...
    """
    from urllib.parse import urlsplit

    if "@" in url:  # before anything of it is shown
        raise InputError(
            "engine: the address has a user or password in it, which would be kept and shown; put "
            "the key into the environment variable EMBFILTER_VIZ_API_KEY and leave it out here"
        )
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(
            f"engine {url.strip()[:80]!r}: the address cannot be read ({error}); {_FORM}"
        ) from None
    if parts.query:
        raise InputError(
            "engine: the address has a query (behind the ?), where keys are often put; leave it "
            "out, and put a key into the environment variable EMBFILTER_VIZ_API_KEY"
        )
    if parts.scheme not in ("http", "https") or not host:
        shown = url.strip()[:80]
        raise InputError(f"engine {shown!r}: it must be an http or https address; {_FORM}")
    if any(not c.isprintable() or c.isspace() or c in "<>\"'`\\" for c in url.strip()):
        raise InputError(f"engine: the address has characters that no address has; {_FORM}")
    path = parts.path.rstrip("/")
    for ending in _ENDINGS:
        path = path.removesuffix(ending).rstrip("/")
    shown = f"[{host}]" if ":" in host else host
    at = "" if port is None else f":{port}"
    return f"{parts.scheme}://{shown}{at}{path}"
