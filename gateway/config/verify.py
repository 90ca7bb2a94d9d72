"""Section `[verify]`: the door for people who keep their own proxy and only ask whether a request may pass."""

import re
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from gateway.config.mistake import wrong

_PATH: Final = 'a plain path such as "/_verify", without a slash at the end'
_PLAIN: Final = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+", re.ASCII)


class Verify(Struct, frozen=True, kw_only=True, gc=False):
    """Requests to `path` from `listen.trusted_proxies` are questions about another request. `original` says where that
    one's method and target stand: in X-Original-Method and X-Original-URI, in X-Forwarded-Method and X-Forwarded-Uri,
    or in the question itself, behind `path`. `only_401_403`: refuse with these two statuses alone."""

    path: Annotated[str, Meta(description=_PATH)] | None = None
    original: Literal["x-original", "x-forwarded", "path"] = "x-original"
    allow_unchecked_body: bool = False
    only_401_403: bool = False


def settle(verify: Verify) -> Verify:
    """Check the path.

    :raises Mistake: config.invalid
    """
    if verify.path is not None and not _PLAIN.fullmatch(verify.path):
        raise wrong("verify.path", verify.path, _PATH)
    return verify
