"""Section `[store]`: where the registry and the replay window live; the default is our own embedded server (R27)."""

import re
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from msgspec import Meta, Struct, structs

from gateway.config.address import is_loopback, split_authority
from gateway.config.files import readable, resolved
from gateway.config.mistake import Mistake, wrong

_URL: Final = (
    '"embedded:DIR", "unix:///path", "redis://host:port", "redis+sentinel://host:port,.../MASTER" or '
    '"redis+cluster://host:port,..." (rediss for TLS)'
)
_SIZE: Final = re.compile(r"[0-9]{1,12}(?:[kmg]b?|b)?", re.ASCII | re.IGNORECASE)
_FILE: Final = "the name of a file"

FileName = Annotated[str, Meta(min_length=1, description=_FILE)]


class Store(Struct, frozen=True, kw_only=True, gc=False):
    """`url` is what the request path uses, `admin_url` what commands use to write (default: the same server);
    `onboarding_user` records new devices on the request path's server (default: `user` may do that)."""

    url: Annotated[str, Meta(description=_URL)] = "embedded:data"
    admin_url: Annotated[str, Meta(description=_URL)] | None = None
    user: Annotated[str, Meta(min_length=1, description="the name of a store user")] | None = None
    password_file: FileName | None = None
    onboarding_user: Annotated[str, Meta(min_length=1, description="the name of a store user")] | None = None
    onboarding_password_file: FileName | None = None
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
    for name in ("admin_url", "user", "password_file", "onboarding_user", "onboarding_password_file"):
        if embedded and getattr(store, name) is not None:
            raise Mistake(f"store.{name}", "means nothing with the embedded store, which has its own users")
    tls = any(url.startswith("rediss") for url in (store.url, store.admin_url) if url is not None)
    for name in ("ca", "client_cert", "client_key"):
        if not tls and getattr(store, name) is not None:
            raise Mistake(f"store.{name}", 'only means something with a "rediss://" store.url')
    if (store.client_cert is None) != (store.client_key is None):
        present, absent = ("client_cert", "client_key") if store.client_cert else ("client_key", "client_cert")
        raise Mistake(f"store.{absent}", f"missing, although store.{present} is given")
    if (store.onboarding_user is None) != (store.onboarding_password_file is None):
        absent = "onboarding_user" if store.onboarding_user is None else "onboarding_password_file"
        raise Mistake(f"store.{absent}", "missing: onboarding_user and onboarding_password_file go together")
    for name in ("password_file", "onboarding_password_file", "ca", "client_cert", "client_key"):
        path = getattr(store, name)
        if path is not None:
            changes[name] = readable(f"store.{name}", path, base)
    return structs.replace(store, **changes)


def _settle_url(key: str, url: str, base: Path) -> str:
    if url.startswith("embedded:"):
        return _settle_embedded(key, url, base)
    try:
        parts = urlsplit(url)
        authority, database = parts.netloc.rpartition("@")[2], parts.path.strip("/")
        if parts.scheme == "unix":
            good = parts.path.startswith("/") and not authority
        else:
            scheme, _, kind = parts.scheme.partition("+")
            hosts = authority.split(",") if kind else [authority]
            good = scheme in ("redis", "rediss") and kind in ("", "sentinel", "cluster")
            good = good and all(split_authority(host) is not None for host in hosts)
            if kind == "sentinel":
                master, _, database = database.partition("/")
                good = good and bool(master)
            good = good and (not database or (database.isascii() and database.isdigit() and kind != "cluster"))
        good = good and not parts.query and not parts.fragment
    except ValueError:  # urlsplit, about brackets
        good = False
    if not good:
        raise wrong(key, without_password(url), _URL)
    return url


def _settle_embedded(key: str, url: str, base: Path) -> str:
    directory, _, query = url.removeprefix("embedded:").removeprefix("//").partition("?")
    if not directory or "\0" in url:
        raise wrong(key, url, _URL)
    settled = "embedded:" + quote(resolved(unquote(directory), base))
    options = []
    for option, value in parse_qsl(query, keep_blank_values=True):
        if option == "server" and value:
            options.append(f"server={quote(resolved(value, base))}")
        elif option == "maxmemory" and _SIZE.fullmatch(value):
            options.append(f"maxmemory={value}")
        else:
            raise wrong(key, url, '"embedded:DIR", with ?server=PATH or ?maxmemory=SIZE (such as 512mb) if need be')
    return "?".join(filter(None, (settled, "&".join(options))))


def _plain_remote(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme.partition("+")[0] != "redis":
        return False
    hosts = [split_authority(host) for host in parts.netloc.rpartition("@")[2].split(",")]
    return not all(host is not None and is_loopback(host[0]) for host in hosts)


def without_password(url: str) -> str:
    """A store URL as it may be shown: three stars for the password, if there is one."""
    scheme, colon, rest = url.partition("://")
    user_info, at, host = rest.rpartition("@")
    if not at or ":" not in user_info:
        return url
    return f"{scheme}{colon}{user_info.partition(':')[0]}:***@{host}"
