"""What may have happened to path and query on the way, or what the device made of them before it signed."""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from gateway._native import Head
from gateway.config import Config
from gateway.explain.form import Change, Form, Parts, Variation, with_parts
from gateway.explain.shown import shown

_PREFIXES: Final = (b"/v1alpha2/margo", b"/margo", b"/wfm", b"/api")
_ORIGINAL: Final = (b"x-original-url", b"x-original-uri", b"x-rewrite-url", b"x-forwarded-uri")


def targets(form: Form, head: Head, config: Config) -> Iterator[Variation]:
    """Other paths and queries."""
    seen = {(form.parts.path, form.parts.query)}
    for path, query, change in _targets(form.parts, head, config):
        if (path, query) not in seen and path.startswith(b"/"):
            seen.add((path, query))
            yield Variation("target", change, with_parts(path=path, query=query, target=path + query))


def _targets(parts: Parts, head: Head, config: Config) -> Iterator[tuple[bytes, bytes, Change]]:
    path, query = parts.path, parts.query
    for name in _ORIGINAL:
        for value in head.values(name):
            original, mark, rest = value.partition(b"?")
            yield original, mark + rest, _rewritten(parts, original, f"{shown(name)} still has it")
    base_path = config.policy.base_path.encode()
    api = path.find(b"/api/v1/")
    if base_path and path.startswith(base_path + b"/"):
        yield (
            path[len(base_path) :],
            query,
            _rewritten(parts, path[len(base_path) :], "policy.base_path was added on the way"),
        )
    if api > 0:
        yield path[api:], query, _rewritten(parts, path[api:], "a prefix was added on the way")
    at = 0
    for _ in range(3):
        at = path.find(b"/", at + 1)
        if at < 0:
            break
        yield path[at:], query, _rewritten(parts, path[at:], "a prefix was added on the way")
    prefixes = [value.rstrip(b"/") for value in head.values(b"x-forwarded-prefix")]
    for prefix in (*prefixes, *((base_path,) if base_path else ()), *_PREFIXES):
        yield (
            prefix + path,
            query,
            _rewritten(parts, prefix + path, f"the prefix {shown(prefix)} was removed on the way"),
        )
    for other, how in _spellings(path):
        yield other, query, _spelled(parts, other, query, how)
    for other, how in _queries(query):
        yield path, other, _spelled(parts, path, other, how)


def _rewritten(parts: Parts, path: bytes, why: str) -> Change:
    return Change(
        "path-rewritten",
        "The path was rewritten",
        f"the device signed {shown(path, 120)}, the gateway received {shown(parts.path, 120)}: {why}",
        "call and sign the same URL",
        "let the load balancer pass the path on unchanged (nginx: proxy_pass without a path behind the host; no"
        " StripPrefix, no rewrite); if the routes stand below a prefix, name it in policy.base_path",
    )


def _spelled(parts: Parts, path: bytes, query: bytes, how: str) -> Change:
    return Change(
        "path-respelled",
        f"Path or query in another spelling: {how}",
        f"the device signed {shown(path + query, 160)}, the request line has {shown(parts.path + parts.query, 160)}",
        "sign the request target exactly as it is sent, octet by octet, with nothing decoded, encoded or sorted anew",
        "switch off normalisation on the load balancer (merge_slashes, path normalisation, decoding)",
    )


def _spellings(path: bytes) -> Iterator[tuple[bytes, str]]:
    if path.endswith(b"/"):
        yield path.rstrip(b"/") or b"/", "without the slash at the end"
    else:
        yield path + b"/", "with a slash at the end"
    if b"//" in path:
        yield re.sub(rb"/{2,}", b"/", path), "double slashes collapsed"
    for at in [match.start() for match in re.finditer(rb"/", path)][:6]:
        yield path[:at] + b"/" + path[at:], "with a double slash"
    if b"%" in path:
        yield unquote_to_bytes(path), "percent-decoded"
        yield re.sub(rb"%[0-9A-Fa-f]{2}", lambda match: match[0].upper(), path), "percent-encoding in upper case"
        yield re.sub(rb"%[0-9A-Fa-f]{2}", lambda match: match[0].lower(), path), "percent-encoding in lower case"
        yield re.sub(rb"%2[Ff]", b"/", path), "%2F decoded"
        yield re.sub(rb"%3[Aa]", b":", path), "%3A decoded"
        yield path.replace(b"%", b"%25"), "percent-encoded twice"
    if b":" in path:
        yield path.replace(b":", b"%3A"), "with : percent-encoded"
        yield path.replace(b":", b"%3a"), "with : percent-encoded"
    again = quote_from_bytes(unquote_to_bytes(path), "/").encode()
    yield again, "percent-encoded anew"
    yield again.replace(b"~", b"%7E"), "percent-encoded anew"
    yield path.lower(), "in lower case"


def _queries(query: bytes) -> Iterator[tuple[bytes, str]]:
    if not query:
        yield b"?", "with an empty query"
        return
    yield b"", "without the query"
    pairs = query[1:].split(b"&")
    for other in (sorted(pairs), sorted(pairs, reverse=True), pairs[::-1], pairs[1:], pairs[:-1]):
        yield (
            b"?" + b"&".join(other),
            "query parameters in another order" if len(other) == len(pairs) else "a query parameter less",
        )
    for plain, escaped in (
        (b"+", b"%20"),
        (b"%20", b"+"),
        (b":", b"%3A"),
        (b"%3A", b":"),
        (b",", b"%2C"),
        (b"%2C", b","),
    ):
        yield query.replace(plain, escaped), f"{shown(plain)} as {shown(escaped)} in the query"
    yield b"?" + unquote_to_bytes(query[1:]), "query percent-decoded"
    yield b"?" + quote_from_bytes(unquote_to_bytes(query[1:]), "&=").encode(), "query percent-encoded anew"
