"""The value of `registry.origin`: where the WFM can be asked for one client's certificate, and how that is reached."""

from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from gateway.config.address import is_loopback
from gateway.config.mistake import Mistake, wrong
from gateway.reasons import Reason

CLIENT_ID: Final = "{clientId}"
REALM: Final = "{realm}"
WANTED: Final = (
    '"https://host/path/{clientId}/...", or http to this machine, or "unix:/path/of.sock:/path/{clientId}/..."'
)


class OriginUrl(Struct, frozen=True, gc=False):
    """`template` is the URL with its placeholders, `socket` the path of a unix socket or "" (then the template's host
    stands for nothing)."""

    template: str
    socket: str = ""

    @property
    def tls(self) -> bool:
        """The origin proves who it is."""
        return self.template.startswith("https:")

    def of(self, realm: str, client_id: str) -> str:
        """The URL of one client; both names are of R2's grammar, which needs no escapes in a URL."""
        return self.template.replace(REALM, realm).replace(CLIENT_ID, client_id)


def read_origin_url(key: str, text: str) -> OriginUrl:
    """Read and check the value.

    :raises Mistake: config.invalid; config.unsafe for plain http to another machine (R23)
    """
    url, socket = text, ""
    if text.startswith("unix:"):
        socket, colon, path = text.removeprefix("unix:").removeprefix("//").partition(":")
        if not (colon and socket.startswith("/") and path.startswith("/")):
            raise wrong(key, text, WANTED)
        url = "http://backend" + path
    if url.count(CLIENT_ID) != 1 or url.count(REALM) > 1:
        raise Mistake(key, f"must have {CLIENT_ID} once, and {REALM} at most once")
    bare = url.replace(REALM, "").replace(CLIENT_ID, "")
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # brackets, or a port that is none
        raise wrong(key, text, WANTED) from None
    good = good and bare.isascii() and bare.isprintable() and not any(one in bare for one in ' "<>\\^`{|}#\0')
    good = good and "@" not in parts.netloc and "{" not in parts.netloc
    if not good:
        raise wrong(key, text, WANTED)
    if parts.scheme == "http" and not socket and not is_loopback(parts.hostname or ""):
        sentence = "goes to another machine without TLS, so certificates can be exchanged on the way; use https://"
        raise Mistake(key, sentence, Reason.CONFIG_UNSAFE)  # R23
    return OriginUrl(url, socket)
