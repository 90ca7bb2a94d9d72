"""Show a signed request to other programs: as the bytes on the wire, or as a curl command."""

import base64
import shlex
from typing import Final

from gateway.signing.sign import SignedRequest

# The longest single argument is 128 KiB on Linux; beyond half of that the body goes through a pipe.
INLINE_BYTES: Final = 65536


def raw(signed: SignedRequest) -> bytes:
    """The whole HTTP/1.1 message, as RFC 9112 writes it."""
    lines = [f"{signed.method} {signed.target} HTTP/1.1", *(f"{name}: {value}" for name, value in signed.fields)]
    return "\r\n".join([*lines, "", ""]).encode() + signed.body


def curl(signed: SignedRequest, connect: str | None = None) -> str:
    """One shell command that sends exactly this request with curl (R29: every part is quoted).

    :param connect: scheme and authority to connect to instead of the signed ones; Host stays the signed one
    """
    base = connect.rstrip("/") if connect else f"{signed.scheme}://{signed.authority}"
    # --path-as-is and --globoff: curl must neither tidy up dot segments nor read brackets.
    method = "--head" if signed.method == "HEAD" else f"--request {shlex.quote(signed.method)}"
    lines = [f"curl --silent --show-error --http1.1 --path-as-is --globoff --include {method}"]
    for name, value in signed.fields:
        if name.lower() == "content-length" and signed.body:
            continue  # curl counts for itself
        lines.append("--header " + shlex.quote(f"{name}: {value}" if value else f"{name};"))
    if signed.body and signed.field("content-type") is None:
        lines.append("--header 'Content-Type:'")  # curl would invent a form's
    if signed.body:
        text = _inline(signed.body)
        if text is None:
            lines[0] = f"printf %s {base64.b64encode(signed.body).decode()} | base64 -d | " + lines[0]
        lines.append("--data-binary " + shlex.quote("@-" if text is None else text))
    lines.append(shlex.quote(base + signed.target))
    return " \\\n  ".join(lines)


def _inline(body: bytes) -> str | None:
    """The body as one argument, or None where a shell or curl would change it."""
    if len(body) > INLINE_BYTES or body.startswith(b"@") or b"\0" in body:
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
