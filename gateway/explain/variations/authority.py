"""What may have happened to scheme and host between device and gateway (R6, R7)."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from gateway._native import Head
from gateway.config import Config
from gateway.explain.form import Change, Form, Variation, with_parts
from gateway.explain.shown import shown
from gateway.routing.locate import normal_authority

_PORTS: Final = (b"443", b"80", b"8080", b"8443")
_FEW: Final = 4
"""Fields and hosts that are looked at: a sender can write thousands (R5)."""

_FORWARDED_HOST: Final = re.compile(rb'host="?([^";,\s]+)', re.IGNORECASE)


def scheme(form: Form) -> Iterator[Variation]:
    """The other scheme."""
    parts = form.parts
    other = b"http" if parts.scheme == b"https" else b"https"
    yield Variation(
        "scheme",
        Change(
            "scheme-changed",
            f"The device signed {shown(other)}://",
            f"the device signed the scheme {shown(other)}, the gateway takes it to be {shown(parts.scheme)}",
            f"sign the URL with {shown(parts.scheme)}://, as the gateway is reached from outside",
            f'if devices really call {shown(other)}://, set listen.public_url = "{shown(other)}://...", or let a'
            f" trusted proxy (listen.trusted_proxies) send X-Forwarded-Proto: {shown(other)}",
        ),
        with_parts(scheme=other),
    )


def authorities(form: Form, head: Head, config: Config, try_hosts: tuple[str, ...]) -> Iterator[Variation]:
    """Every authority that the request or the configuration mentions, with the usual ports and without one."""
    known = {form.parts.authority}
    sources = list(_hosts(head, config, try_hosts))
    plain = [(host, source) for host, source in sources] + [(host.lower(), source) for host, source in sources]
    bare = [(_without_port(host), source) for host, source in plain]
    ported = [(host + b":" + port, source) for port in _PORTS for host, source in bare]
    for host, source in plain + bare + ported:
        if host and host not in known:
            known.add(host)
            yield _authority(form, host, source)


def _hosts(head: Head, config: Config, try_hosts: tuple[str, ...]) -> Iterator[tuple[bytes, str]]:
    yield head.host, "Host"
    for value in head.values(b"x-forwarded-host")[:_FEW]:
        for host in value.split(b",", _FEW)[:_FEW]:
            yield host.strip(), "X-Forwarded-Host"
    for value in head.values(b"forwarded")[:_FEW]:
        for match in islice(_FORWARDED_HOST.finditer(value), _FEW):
            yield match[1], "Forwarded"
    for value in head.values(b"x-original-host")[:_FEW]:
        yield value, "X-Original-Host"
    for text in try_hosts:
        yield text.encode(), "--try-host"
    public = config.listen.public
    if public is not None:
        yield public.authority.encode(), "listen.public_url"
    for upstream in config.upstreams:
        for origin in upstream.origins:
            yield origin.authority.encode(), "upstream.servers" if upstream.servers else "upstream.url"


def _authority(form: Form, host: bytes, source: str) -> Variation:
    parts = form.parts
    if normal_authority(host, parts.scheme) == normal_authority(parts.authority, parts.scheme):
        change = Change(
            "authority-spelling",
            f'The device signed the authority as "{shown(host)}"',
            f'the device signed "{shown(host)}", but the Host field that arrived is "{shown(parts.host)}"',
            "sign the authority exactly as the Host field is sent: without the scheme's default port, in lower case",
            "let the load balancer pass Host on unchanged: the spelling that is received is tried first",
        )
    elif source == "Host":
        change = Change(
            "host-changed",
            f'The device signed the authority "{shown(host)}"',
            f'with the Host field as received, "{shown(host)}", not with "{shown(parts.authority)}"',
            f"sign the public name of the gateway, {shown(parts.authority)}",
            f'set listen.public_url = "{shown(parts.scheme)}://{shown(host)}", if that is what devices call',
        )
    else:
        change = Change(
            "host-changed",
            f'The device signed the authority "{shown(host)}"',
            f'the device signed "{shown(host)}" (known from {source}), the gateway takes "{shown(parts.authority)}": '
            "something on the way changed the host",
            f"if {shown(host)} is not the public name of the WFM, let the device sign the one that it is",
            f'set listen.public_url = "{shown(parts.scheme)}://{shown(host)}", or let the load balancer keep Host'
            " (nginx: proxy_set_header Host $host; HAProxy and ALB do by default), or send X-Forwarded-Host with its"
            " address in listen.trusted_proxies",
        )
    return Variation("authority", change, with_parts(authority=host, host=host))


def _without_port(host: bytes) -> bytes:
    return re.sub(rb":[0-9]*\Z", b"", host)
