"""Fetches one revocation list over HTTP: bounded in size and time, no redirects (R19), and kept for the next start."""

import os
import tempfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

import aiohttp
import msgspec
from yarl import URL

from gateway.onboarding.crl_file import SIZE_LIMIT_BYTES, CrlError, octets

FETCH_S: Final = 30.0
_PIECE_BYTES: Final = 65_536
_FIELDS: Final = {"Accept": "application/pkix-crl, */*", "Accept-Encoding": "identity", "User-Agent": "wfm-gateway"}


def session() -> aiohttp.ClientSession:
    """What lists are fetched with. Make it on a running loop."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=4, force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers=_FIELDS,
        timeout=aiohttp.ClientTimeout(total=FETCH_S),
    )


async def fetch(http: aiohttp.ClientSession, url: str) -> bytes:
    """What stands at `url`.

    :raises CrlError: it cannot be had
    """
    try:
        async with http.get(URL(url, encoded=True), allow_redirects=False) as response:
            if response.status != 200:
                hint = ", and redirects are not followed" if 300 <= response.status < 400 else ""
                raise CrlError(f"{url} answered {response.status}{hint}")
            data = bytearray()
            async for piece in response.content.iter_chunked(_PIECE_BYTES):
                data += piece
                if len(data) > SIZE_LIMIT_BYTES:
                    raise CrlError(f"{url} is larger than {SIZE_LIMIT_BYTES} octets")
            return bytes(data)
    except TimeoutError:
        raise CrlError(f"{url} took longer than {FETCH_S:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise CrlError(f"{url} cannot be fetched: {error}") from error


class Kept(msgspec.Struct, frozen=True):
    """A list that some worker fetched at `fetched_s`, in seconds since 1970."""

    data: bytes
    fetched_s: float


class Shelf:
    """The lists that were fetched, as files: for a start without their servers, and so that workers share a fetch.

    What lies there is believed no more than what a server says: its signature is checked.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, url: str) -> Kept | None:
        """What was kept of `url`."""
        path = self._path(url)
        try:
            return Kept(octets(str(path)), path.stat().st_mtime)
        except (CrlError, OSError):
            return None

    def put(self, url: str, data: bytes) -> None:
        """Keep what was fetched; without room it is not kept."""
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self._folder)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                os.replace(name, self._path(url))
            except OSError:
                os.unlink(name)

    def _path(self, url: str) -> Path:
        return self._folder / f"{sha256(url.encode()).hexdigest()}.crl"
