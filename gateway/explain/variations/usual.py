"""Every single change that can be tried, the likeliest first."""

from collections.abc import Iterator
from itertools import chain, zip_longest

from gateway._native import Head
from gateway.config import Config
from gateway.explain.form import Form, Variation
from gateway.explain.variations import authority, components, layout, target, values


def usual(
    form: Form, head: Head, body: bytes, config: Config, try_hosts: tuple[str, ...], sent: bytes, label: str
) -> Iterator[Variation]:
    """Every single change, the likeliest first."""
    if form.covers_any(b'"@target-uri"', b'"@authority"', b'"host"'):
        yield from authority.authorities(form, head, config, try_hosts)
    if form.covers_any(b'"@target-uri"', b'"@scheme"'):
        yield from authority.scheme(form)
    yield from layout.layouts(form)
    yield from components.methods(form)
    yield from components.uri_forms(form)
    if form.covers_any(b'"@target-uri"', b'"@path"', b'"@request-target"', b'"@query"'):
        yield from target.targets(form, head, config)
    yield from layout.params(form, sent, label)
    yield from layout.names(form)
    yield from values.values(form, body)
    yield from layout.orders(form)


def on_the_way(form: Form, head: Head, config: Config) -> Iterator[Variation]:
    """What load balancers change: scheme, then hosts and targets in turn, so that a few tries reach both."""
    hosts: Iterator[Variation] = iter(())
    targets: Iterator[Variation] = iter(())
    if form.covers_any(b'"@target-uri"', b'"@authority"', b'"host"'):
        hosts = authority.authorities(form, head, config, ())
    if form.covers_any(b'"@target-uri"', b'"@scheme"'):
        yield from authority.scheme(form)
    if form.covers_any(b'"@target-uri"', b'"@path"', b'"@request-target"', b'"@query"'):
        targets = target.targets(form, head, config)
    yield from (one for one in chain.from_iterable(zip_longest(hosts, targets)) if one is not None)
