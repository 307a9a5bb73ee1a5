"""Remote store: keys below an HTTP(S) address or in a bucket of S3, by abortable requests."""

from __future__ import annotations

import asyncio
import atexit
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from opsin.errors import ReadError, Unreachable
from opsin.images.store import Store, bounded
from opsin.images.text import shown

if TYPE_CHECKING:
    from obstore.store import HTTPStore
    from obstore.store import S3Store as S3Connection

    Connection: TypeAlias = HTTPStore | S3Connection

SETTLED_AFTER = 0.1
"""Seconds after which the threads of obstore hold nothing of Python any more."""
REQUESTS = 32
"""Requests of one store in flight at once; more wait their turn."""
LISTING_SECONDS = 20
"""A folder that takes longer to list is no zarr group."""

_CLIENT: Any = {
    "connect_timeout": timedelta(seconds=5),
    "read_timeout": timedelta(seconds=15),
    "timeout": timedelta(seconds=60),
    "pool_max_idle_per_host": str(REQUESTS),
}
# One retry hides a connection that the server closed while idle. Whoever waits for the chunk knows
# whether it is still wanted, and does the other retries.
_RETRIES: Any = {"max_retries": 1, "retry_timeout": timedelta(seconds=1)}
_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",  # whoever sets it to false has an instance with a role
)
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


def remote_store(url: str) -> Store:
    """The store of what lies below an `http`, `https` or `s3` address.

    Raises:
        ReadError: it is no such address, or the environment says of no use how to get there.
    """
    return S3Store(url) if url[:5].lower() == "s3://" else HttpStore(url)


@lru_cache(maxsize=1)
def _settle_at_exit() -> None:
    """Have the program wait for a moment before it ends.

    The threads of obstore let go of what they hold of Python shortly after a request has ended, or
    was given up. One that does so while Python takes itself down aborts the program.
    """
    atexit.register(time.sleep, SETTLED_AFTER)


class _RemoteStore:
    """What stores over the network share: turns, ranges, aborting, and what errors mean."""

    def __init__(self, where: str, connection: Connection) -> None:
        self._where = where
        self._connection: Connection | None = connection
        # A semaphore belongs to one event loop, a store to none.
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
            WeakKeyDictionary()
        )
        self._answered = False
        _settle_at_exit()

    @property
    def where(self) -> str:
        return self._where

    @property
    def provenance(self) -> Literal["network"]:
        return "network"

    async def get(self, key: str, *, limit: int) -> bytes | None:
        import obstore

        async def read(connection: Connection) -> bytes:
            result = await obstore.get_async(connection, key)
            bounded(result.meta["size"], limit, f"{self._where}/{key}")
            return bytes(await result.bytes_async())

        return await self._request(key, read)

    async def get_range(
        self, key: str, *, start: int = 0, length: int | None = None, suffix: int | None = None
    ) -> bytes | None:
        import obstore

        if suffix == 0 or length == 0:
            return b""
        part: Any = {"offset": start} if length is None else (start, start + length)
        if suffix is not None:
            part = {"suffix": suffix}

        async def read(connection: Connection) -> bytes:
            result = await obstore.get_async(connection, key, options={"range": part})
            return bytes(await result.bytes_async())

        return await self._request(key, read)

    async def stamp(self, key: str) -> str | None:
        import obstore

        async def read(connection: Connection) -> bytes:
            found = await obstore.head_async(connection, key)
            changed = found["last_modified"].timestamp()  # 0 where the server does not say
            parts = [found.get("e_tag") or "", f"{changed}" if changed > 0 else ""]
            return " ".join(parts).strip().encode()

        found = await self._request(key, read)
        return found.decode() if found else None

    def close(self) -> None:
        self._connection = None

    async def _request(
        self, key: str, read: Callable[[Connection], Awaitable[bytes]]
    ) -> bytes | None:
        from obstore.exceptions import BaseError, NotSupportedError

        connection = self._connection
        url = shown(f"{self._where}/{key}" if key else self._where)
        if connection is None:
            raise ReadError(f"{self._where} was closed while {key} was asked for.")
        turn = self._turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(REQUESTS))
        # Errors are not chained: the library's texts hold the whole address, signature included.
        try:
            async with turn:
                data = await read(connection)
        except FileNotFoundError as error:
            self._check_missing(str(error))
            return None
        except NotSupportedError:
            raise ReadError(
                f"The server of {url} does not answer requests for a part of a file, "
                "which reading this image needs."
            ) from None
        except BaseError as error:
            message = str(error)
            if "status code: 416" in message:  # a range that begins behind the end
                return b""
            if self._answered and "status code: 403" in message:
                # A bucket that does not say what is in it refuses what is missing.
                return None
            raise self._explained(url, message) from None
        self._answered = True
        return data

    def _check_missing(self, message: str) -> None:
        """Raise `ReadError` if more is missing than the key."""

    def _explained(self, url: str, message: str) -> ReadError:
        """The error for a failed request, with its status, and whether a retry may help."""
        if found := re.search(r"non-2xx status code: (\d{3})([^:\n]*)", message):
            status = f"{found[1]}{found[2]}".strip()
            if found[1][0] == "5" or found[1] in ("408", "425", "429"):
                return Unreachable(f"{url} answered {status}.")
            return ReadError(f"{url} answered {status}.")
        if "Content-Length" in message:
            return ReadError(
                f"{url} cannot be read: its server does not say how long the answer is."
            )
        reason = message.split("\n")[0].rsplit(" - ", 1)[-1].rsplit("error: ", 1)[-1].strip()
        return Unreachable(f"{url} did not answer ({reason}).")


class HttpStore(_RemoteStore):
    """Paths below an HTTP(S) URL. A query, such as a signature, is sent with each request.

    Messages do not tell the query, which may be a secret.

    Raises:
        ReadError: it is no valid URL.
    """

    def __init__(self, url: str, *, _connection: HTTPStore | None = None) -> None:
        place, mark, query = url.partition("?")
        place = place.rstrip("/")
        self._address = f"{place}{mark}{query}"
        super().__init__(place, _connection or self._connect(place))

    def reopen(self) -> HttpStore:
        from obstore.store import HTTPStore

        connection = self._connection
        assert connection is None or isinstance(connection, HTTPStore)
        return HttpStore(self._address, _connection=connection)

    def __reduce__(self) -> tuple[type[HttpStore], tuple[str]]:
        """The same address, as another process sees it."""
        return HttpStore, (self._address,)

    async def names(self, key: str) -> None:
        """None: HTTP does not say what there is."""

    def _connect(self, place: str) -> HTTPStore:
        from obstore.store import HTTPStore

        try:
            return HTTPStore(
                self._address,
                client_options=_client(plain=True),
                retry_config=_RETRIES,
            )
        except ValueError as error:
            raise ReadError(f"{place} is no valid address ({error}).") from None


class S3Store(_RemoteStore):
    """Keys below `s3://BUCKET/PREFIX`, as the usual environment variables of AWS say.

    `AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
    `AWS_SESSION_TOKEN` and others are taken from the environment. Without credentials requests are
    anonymous, as public buckets want them.

    Raises:
        ReadError: it is no valid address, or the endpoint is not encrypted and not this computer.
    """

    def __init__(self, url: str, *, _connection: S3Connection | None = None) -> None:
        self._bucket, _, prefix = url[5:].rstrip("/").partition("/")
        self._prefix = prefix.strip("/")
        self._signed = any(os.environ.get(name) for name in _CREDENTIALS)
        super().__init__(
            f"s3://{self._bucket}/{self._prefix}".rstrip("/"),
            _connection or self._connect(os.environ),
        )

    def reopen(self) -> S3Store:
        from obstore.store import S3Store as S3Connection

        connection = self._connection
        assert connection is None or isinstance(connection, S3Connection)
        return S3Store(f"s3://{self._bucket}/{self._prefix}", _connection=connection)

    def __reduce__(self) -> tuple[type[S3Store], tuple[str]]:
        """The same place, as another process sees it, by its own environment."""
        return S3Store, (f"s3://{self._bucket}/{self._prefix}",)

    async def names(self, key: str) -> tuple[str, ...] | None:
        """The names directly below a key, folders with `/`."""
        import obstore

        found: list[str] = []

        async def read(connection: Connection) -> bytes:
            listing: Any = obstore.list_with_delimiter_async(connection, key)
            async with asyncio.timeout(LISTING_SECONDS):
                result = await listing
            folders = (path.rstrip("/") for path in result["common_prefixes"])
            found.extend(path.rpartition("/")[2] + "/" for path in folders)
            found.extend(one["path"].rpartition("/")[2] for one in result["objects"])
            return b""

        try:
            await self._request(key, read)
        except TimeoutError:
            raise Unreachable(
                f"{self._where}/{key} holds so much that it was not listed in {LISTING_SECONDS} s."
            ) from None
        return tuple(sorted(set(found)))

    def _connect(self, environment: Mapping[str, str]) -> S3Connection:
        from obstore.store import S3Store as S3Connection

        where = f"s3://{self._bucket}"
        # The rules of AWS, and what S3-compatible servers allow beyond: nothing that leads out.
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}", self._bucket):
            raise ReadError(f"{shown(where)} cannot be read: that is no name of a bucket.")
        endpoint = next((environment[name] for name in _ENDPOINTS if environment.get(name)), None)
        plain = endpoint is not None and _plain_but_here(endpoint)
        settings: dict[str, Any] = {} if self._signed else {"skip_signature": True}
        try:
            return S3Connection(
                self._bucket,
                prefix=self._prefix or None,
                client_options=_client(plain),
                retry_config=_RETRIES,
                **settings,
            )
        except Exception as error:  # of several kinds, one of them private
            reason = str(error).split("\n")[0]
            raise ReadError(f"{where} cannot be read ({reason}): see the AWS variables.") from None

    def _check_missing(self, message: str) -> None:
        if "NoSuchBucket" in message:
            raise ReadError(f"There is no bucket {self._bucket} at {self._endpoint}.")

    def _explained(self, url: str, message: str) -> ReadError:
        if "NoSuchBucket" in message:
            return ReadError(f"There is no bucket {self._bucket} at {self._endpoint}.")
        if "InvalidAccessKeyId" in message or "SignatureDoesNotMatch" in message:
            return ReadError(
                f"{url} may not be read: {self._endpoint} does not take the key in "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
            )
        if "status code: 403" in message or "status code: 401" in message:
            reason = (
                "the credentials in the environment do not allow it"
                if self._signed
                else "it is not public, and AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"
            )
            return ReadError(f"{url} may not be read: {reason}.")
        if re.search(r"status code: 30\d|without LOCATION|AuthorizationHeaderMalformed", message):
            region = re.search(r"<Region>([\w-]+)</Region>|expecting '([\w-]+)'", message)
            known = f" to {region[1] or region[2]}" if region else ""
            return ReadError(
                f"The bucket {self._bucket} is in another region: set AWS_REGION{known}."
            )
        return super()._explained(url, message)

    @property
    def _endpoint(self) -> str:
        return next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), "AWS")


def _client(plain: bool) -> Any:
    """How to connect; without encryption too, if `plain`."""
    return {**_CLIENT, "allow_http": plain}


def _plain_but_here(endpoint: str) -> bool:
    """Whether an endpoint is without encryption, which is for this computer only.

    Raises:
        ReadError: it is on another computer, or no address.
    """
    try:
        parts = urlsplit(endpoint)
        host, valid = parts.hostname or "", parts.port != 0
    except ValueError:
        host, valid = "", False
    if not valid or not host or parts.scheme not in ("http", "https") or re.search(r"\s", endpoint):
        raise ReadError(f"{endpoint!r} (AWS_ENDPOINT_URL) is no http or https address.")
    if parts.scheme == "https":
        return False
    try:
        here = ip_address(host).is_loopback
    except ValueError:
        here = host == "localhost"
    if not here:
        raise ReadError(
            f"{endpoint} (AWS_ENDPOINT_URL) is not encrypted: use https, or http on this computer."
        )
    return True
