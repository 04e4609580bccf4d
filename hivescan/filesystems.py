"""File systems that are not this machine's: opened through fsspec, listed page by page, asked again.

Credentials come from where each driver looks for them (environment, its own files), never from a URI: a URI
is stored, logged and shown. fsspec is imported only when a URI is opened.
"""

from __future__ import annotations

import errno
import random
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

ATTEMPTS: Final = 3
"""Of ours; drivers of object stores ask again by themselves before they give up."""
PAGE_KEYS: Final = 1000
"""What S3 gives at most in one answer."""
_NOT_THERE: Final = "no such file or folder"
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 15.0

_S3: Final = frozenset({"s3", "s3a"})
_EXTRAS: Final = {
    "s3": "hivescan[s3]",
    "s3a": "hivescan[s3]",
    "gs": "hivescan[gcs]",
    "gcs": "hivescan[gcs]",
    "az": "hivescan[azure]",
    "adl": "hivescan[azure]",
    "abfs": "hivescan[azure]",
    "abfss": "hivescan[azure]",
    "http": "hivescan[http]",
    "https": "hivescan[http]",
}
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"')]+")
_CONNECT_S: Final = 20
_SILENCE_S: Final = 60

_TRANSIENT_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_TRANSIENT_ERRNO: Final = frozenset(
    {
        errno.EIO, errno.EAGAIN, errno.EBUSY, errno.EPIPE, errno.ECONNRESET, errno.ECONNABORTED,
        errno.ECONNREFUSED, errno.ETIMEDOUT, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN,
        getattr(errno, "EREMOTEIO", errno.EIO),
    }
)  # fmt: skip
_TRANSIENT_KINDS: Final = frozenset(
    {
        "ClientConnectionError", "ClientPayloadError", "ServerTimeoutError", "HTTPClientError",
        "EndpointConnectionError", "ConnectionClosedError", "IncompleteReadError", "IncompleteRead",
        "ResponseParserError", "ServiceRequestError", "ServiceResponseError", "TransportError",
    }
)  # fmt: skip
"""Names of the drivers' own classes, which are not imported to compare with."""


class FileSystemError(Exception):
    """A URI that cannot be opened; the text is one line, without the URI."""


def protocol_of(uri: str) -> str:
    """``s3`` of ``s3://bucket/key``, of a chained URI (``zip://a.jpg::s3://…``) its first part."""
    return uri.partition("://")[0].lower()


def holds_password(uri: str) -> bool:
    """Whether a URI carries a password: ``https://user:password@host/…``, in any part of a chain."""
    return any(_password_of(part) is not None for part in uri.split("::"))


def scrubbed(uri: str) -> str:
    """The URI without its passwords, fit to be shown and stored."""
    parts = []
    for part in uri.split("::"):
        password = _password_of(part)
        parts.append(part if password is None else part.replace(f":{password}@", ":***@", 1))
    return "::".join(parts)


def _password_of(uri: str) -> str | None:
    scheme, separator, rest = uri.partition("://")
    if not separator or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        return None
    user, at, _ = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")
    return user.partition(":")[2] if at and ":" in user else None


def open_filesystem(uri: str) -> tuple[Any, str]:
    """The file system of a URI, and the path that it names there.

    Listings are not kept: they would grow with the bucket, and show yesterday's. Raises
    :class:`FileSystemError` where the driver is missing or unknown, or the URI holds a password.
    """
    if holds_password(uri):
        raise FileSystemError(
            "a password in a URI would be stored and shown: give it through the environment "
            f"({_variables(protocol_of(uri))})"
        )
    try:
        import fsspec

        fs, root = fsspec.core.url_to_fs(uri, use_listings_cache=False, **_timeouts(protocol_of(uri)))
    except ImportError as error:
        package = _EXTRAS.get(protocol_of(uri))
        how = f"pip install '{package}'" if package else str(error).splitlines()[0]
        raise FileSystemError(f"{protocol_of(uri)}:// needs a driver that is not installed: {how}") from error
    except (ValueError, TypeError, OSError) as error:
        raise FileSystemError(reason(error)) from error
    return fs, str(root)


def _variables(protocol: str) -> str:
    """Environment variables in which a driver looks for credentials."""
    if protocol in _S3:
        return "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    if protocol in ("http", "https"):
        return "a .netrc file, which NETRC names"
    return f"FSSPEC_{protocol.upper()}_USERNAME and FSSPEC_{protocol.upper()}_PASSWORD"


def _timeouts(protocol: str) -> dict[str, Any]:
    """Silence ends a request, however long the whole may take."""
    if protocol in _S3:
        retries = {"max_attempts": 2, "mode": "standard"}
        return {
            "config_kwargs": {"connect_timeout": _CONNECT_S, "read_timeout": _SILENCE_S, "retries": retries}
        }
    if protocol in ("http", "https"):
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S)
        return {"client_kwargs": {"timeout": timeout, "trust_env": True}}
    return {}


def comes_in_pages(fs: Any) -> bool:
    """Whether :func:`pages` asks for a part of a listing at a time, however many files there are."""
    return hasattr(fs, "call_s3")


def pages(fs: Any, beginning: str) -> Iterator[list[dict[str, Any]]]:
    """Every file below a folder, however deep, as fsspec describes it, some at a time.

    S3 is asked for a thousand keys at once, in the order of their names: memory stays flat however large
    the bucket is. There ``beginning`` may be any beginning of names, so a folder's ends with ``/``. Other
    file systems are listed in one go.
    """
    if comes_in_pages(fs):
        yield from _s3_pages(fs, beginning)
        return
    found = with_retries(lambda: fs.find(beginning.rstrip("/"), detail=True))
    yield [info for _, info in sorted(found.items()) if info.get("type") != "directory"]


def _s3_pages(fs: Any, beginning: str) -> Iterator[list[dict[str, Any]]]:
    bucket, _, prefix = beginning.partition("/")
    asked: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, "MaxKeys": PAGE_KEYS}
    while True:
        page = with_retries(lambda: fs.call_s3("list_objects_v2", **asked))
        yield [
            {
                "name": f"{bucket}/{entry['Key']}",
                "size": entry["Size"],
                "ETag": entry.get("ETag"),
                "LastModified": entry.get("LastModified"),
                "type": "file",
            }
            for entry in page.get("Contents", ())
            if not entry["Key"].endswith("/")  # what browsers of buckets leave to show an empty folder
        ]
        if not page.get("IsTruncated"):
            return
        asked["ContinuationToken"] = page["NextContinuationToken"]


def with_retries(
    call: Callable[[], T], *, attempts: int = ATTEMPTS, pause: Callable[[float], None] = time.sleep
) -> T:
    """The answer of a call, asked again after what may pass, with growing pauses.

    The last failure is raised as it came.
    """
    for attempt in range(1, attempts + 1):
        try:
            return call()
        except Exception as error:
            if attempt == attempts or not is_transient(error):
                raise
            pause(backoff(attempt))
    raise AssertionError("unreachable")


def backoff(attempt: int) -> float:
    """Seconds to wait after the failed attempt of this number: half a second, then doubled, with chance."""
    longest = min(_FIRST_PAUSE_S * 2 ** (attempt - 1), _LONGEST_PAUSE_S)
    return float(longest * random.uniform(0.5, 1.0))  # noqa: S311  so that many do not come back at once


def is_transient(error: BaseException) -> bool:
    """Whether the same request may well succeed a little later."""
    error = _underlying(error)
    status = _status(error)
    if status is not None:
        return status in _TRANSIENT_STATUS
    if isinstance(error, TimeoutError | ConnectionError):
        return True
    if any(kind.__name__ in _TRANSIENT_KINDS for kind in type(error).__mro__):
        return True
    return isinstance(error, OSError) and error.errno in _TRANSIENT_ERRNO


def reason(error: BaseException) -> str:
    """What went wrong in one line, without URIs, whose queries may be signatures."""
    error = _underlying(error)
    if isinstance(error, FileNotFoundError):
        text = (error.strerror or str(error)).strip()
        return "the bucket does not exist" if text.endswith("bucket does not exist") else _NOT_THERE
    if isinstance(error, PermissionError):
        return "access denied"
    status = _status(error)
    if status is not None and type(error).__name__ == "ClientResponseError":
        return f"the server answered {status} {getattr(error, 'message', '')}".strip()
    if type(error).__name__ in ("ClientPayloadError", "ServerDisconnectedError", "IncompleteReadError"):
        return "the connection broke off"
    if isinstance(error, TimeoutError) or type(error).__name__.endswith(("TimeoutError", "FSTimeoutError")):
        return "the server did not answer in time"
    text = (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip()
    return _URI.sub(lambda found: _origin(found[0]), text.splitlines()[0])[:200]


def _underlying(error: BaseException) -> BaseException:
    """For web servers fsspec says of every failure that there is no such file; its cause knows better."""
    cause = error.__cause__
    if not isinstance(error, FileNotFoundError) or cause is None:
        return error
    of_web = type(cause).__module__.startswith("aiohttp") and _status(cause) not in (404, 410)
    return cause if of_web else error


def _origin(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _status(error: BaseException) -> int | None:
    """The HTTP status that an error of a driver carries."""
    for name in ("status", "status_code", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int) and 100 <= value < 600:
            return value
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        value = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return value if isinstance(value, int) else None
    cause = error.__cause__
    return _status(cause) if cause is not None and isinstance(error, OSError) else None
