"""The addresses of indexes on a Qdrant server or cluster.

``qdrant://HOST:PORT/COLLECTION`` (plain HTTP) or ``qdrants://HOST:PORT/COLLECTION`` (TLS), the port 6333 if it is left
out. When a collection is made, ``?shards=6&replicas=2`` behind it says in how many parts it lies on the nodes of a
cluster, and in how many copies; by default as many parts as the server chooses, and one copy.
"""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from optical.errors import OpticalError

PORT = 6333
_SCHEMES = {"qdrant": "http", "qdrants": "https"}
# Qdrant refuses these, and . and .. would lead elsewhere.
_COLLECTION = re.compile(r'(?!\.\.?$)[^<>:"/\\|?*\x00-\x1f]{1,255}')
# Names of machines, in ASCII, and IP addresses.
_HOST = re.compile(r"(?!.*\.\.)[a-z0-9_.-]{1,253}|[0-9a-f:.]+(%[a-z0-9]+)?")


@dataclass(frozen=True)
class Address:
    """The address of a collection.

    Attributes:
        scheme: ``qdrant`` or ``qdrants``.
        host: name or number, an IPv6 address in brackets.
        port: of the HTTP interface.
        collection: its name.
        shards: in how many parts to make it; None leaves that to the server.
        replicas: in how many copies to make it.
    """

    scheme: str
    host: str
    port: int
    collection: str
    shards: int | None = None
    replicas: int = 1

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read an address.

        Raises:
            OpticalError: it is malformed.
        """
        try:
            parts = urlsplit(text)
            port = PORT if parts.port is None else parts.port
        except ValueError as error:
            raise _malformed(_without_secrets(text), "its host or port is none") from error
        shown = _without_secrets(text)
        if parts.scheme not in _SCHEMES:
            raise _malformed(shown, f"{parts.scheme}:// is no address of an index")
        if parts.username is not None or parts.password is not None:
            raise _malformed(
                shown, "it has a name or password; a key belongs into the environment variable QDRANT_API_KEY"
            )
        if not parts.hostname:
            raise _malformed(shown, "it names no host")
        if not _HOST.fullmatch(parts.hostname) or port == 0:
            raise _malformed(shown, "its host or port is none")
        collection = unquote(parts.path.removeprefix("/"))
        if not _COLLECTION.fullmatch(collection):
            raise _malformed(shown, f"{collection!r} cannot be the name of a collection")
        if parts.fragment:
            raise _malformed(shown, f"#{parts.fragment} has no meaning there")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        options = _options(parts, shown)
        return cls(parts.scheme, host, port, collection, options.get("shards"), options.get("replicas", 1))

    @property
    def server(self) -> str:
        """The server alone, as messages call it."""
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The server's address for HTTP."""
        return f"{_SCHEMES[self.scheme]}://{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.server}/{self.collection}"


def _options(parts: SplitResult, shown: str) -> dict[str, int]:
    options: dict[str, int] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in ("shards", "replicas") or name in options:
            raise _malformed(
                shown, f"{name!r} is no option, or one given twice; there are shards and replicas"
            )
        if not re.fullmatch(r"[1-9][0-9]{0,3}", value):
            raise _malformed(shown, f"{name} is {value!r}, and not a number from 1 to 9999")
        options[name] = int(value)
    return options


def _without_secrets(text: str) -> str:
    return re.sub(r"//.*@", "//...@", text.partition("?")[0])


def _malformed(text: str, reason: str) -> OpticalError:
    return OpticalError(
        f"The address {text} is malformed ({reason}). "
        "Write it like: qdrant://HOST:6333/COLLECTION, or qdrants:// for TLS."
    )
