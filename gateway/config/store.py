"""Section `[store]`: where the registry and the replay window live; the default is our own embedded server (R27)."""

from pathlib import Path
from typing import Annotated, Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

from msgspec import Meta, Struct, structs

from gateway.config.address import is_loopback, split_authority
from gateway.config.files import readable, resolved
from gateway.config.mistake import Mistake, wrong

_URL: Final = '"embedded:DIR", "unix:///path", "redis://host:port" or "rediss://host:port"'
_FILE: Final = "the name of a file"

FileName = Annotated[str, Meta(min_length=1, description=_FILE)]


class Store(Struct, frozen=True, kw_only=True, gc=False):
    """`url` is what the request path uses, `admin_url` what commands use to write (default: the same server)."""

    url: Annotated[str, Meta(description=_URL)] = "embedded:data"
    admin_url: Annotated[str, Meta(description=_URL)] | None = None
    user: Annotated[str, Meta(min_length=1, description="the name of a store user")] | None = None
    password_file: FileName | None = None
    ca: FileName | None = None
    client_cert: FileName | None = None
    client_key: FileName | None = None
    timeout_ms: Annotated[int, Meta(ge=1, le=60_000, description="whole milliseconds from 1 to 60000")] = 100

    @property
    def embedded_dir(self) -> str | None:
        """The directory of the embedded server; None if the store is another one."""
        if not self.url.startswith("embedded:"):
            return None
        return unquote(self.url.removeprefix("embedded:").partition("?")[0])

    @property
    def plain_remote(self) -> bool:
        """Some URL goes to another machine without TLS: records and claims can be read and forged on the way (R27)."""
        return any(_plain_remote(url) for url in (self.url, self.admin_url) if url is not None)


def settle(store: Store, base: Path) -> Store:
    """Check every value and make directories and file names absolute.

    :raises Mistake: config.invalid, config.unreadable
    """
    changes = {"url": _settle_url("store.url", store.url, base)}
    if store.admin_url is not None:
        changes["admin_url"] = _settle_url("store.admin_url", store.admin_url, base)
    embedded = store.embedded_dir is not None
    for name in ("admin_url", "user", "password_file"):
        if embedded and getattr(store, name) is not None:
            raise Mistake(f"store.{name}", "means nothing with the embedded store, which has its own users")
    tls = any(url.startswith("rediss:") for url in (store.url, store.admin_url) if url is not None)
    for name in ("ca", "client_cert", "client_key"):
        if not tls and getattr(store, name) is not None:
            raise Mistake(f"store.{name}", 'only means something with a "rediss://" store.url')
    if (store.client_cert is None) != (store.client_key is None):
        present, absent = ("client_cert", "client_key") if store.client_cert else ("client_key", "client_cert")
        raise Mistake(f"store.{absent}", f"missing, although store.{present} is given")
    for name in ("password_file", "ca", "client_cert", "client_key"):
        path = getattr(store, name)
        if path is not None:
            changes[name] = readable(f"store.{name}", path, base)
    return structs.replace(store, **changes)


def _settle_url(key: str, url: str, base: Path) -> str:
    if url.startswith("embedded:"):
        directory, _, query = url.removeprefix("embedded:").partition("?")
        if not directory or "\0" in directory:
            raise wrong(key, url, _URL)
        options = parse_qs(query, keep_blank_values=True)
        server = options.pop("server", None)
        if options or (server is not None and (len(server) != 1 or not server[0])):
            raise wrong(key, url, '"embedded:DIR" or "embedded:DIR?server=PATH"')
        settled = "embedded:" + resolved(directory, base)
        return settled if server is None else f"{settled}?server={quote(resolved(server[0], base))}"
    parts = urlsplit(url)
    if parts.scheme == "unix" and parts.path.startswith("/") and not parts.hostname:
        return url
    authority = parts.netloc.rpartition("@")[2]
    if parts.scheme not in ("redis", "rediss") or split_authority(authority) is None:
        raise Mistake(key, f"got {without_password(url)}, wanted {_URL}")
    if parts.path.strip("/") and not parts.path.strip("/").isdecimal():
        raise Mistake(key, f"got {without_password(url)}, wanted a database number after the slash, or nothing")
    return url


def _plain_remote(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "redis" and not is_loopback(parts.hostname or "")


def without_password(url: str) -> str:
    """A store URL as it may be shown: the password, if there is one, as three stars."""
    scheme, colon, rest = url.partition("://")
    user_info, at, host = rest.rpartition("@")
    if not at or ":" not in user_info:
        return url
    return f"{scheme}{colon}{user_info.partition(':')[0]}:***@{host}"
