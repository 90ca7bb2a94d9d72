"""What devices get wrong about the values of @method and @target-uri."""

from collections.abc import Callable, Iterator
from typing import Final

from gateway.explain.form import TARGET_URI, Change, Form, Parts, Variation, target_uri, with_layout, with_parts
from gateway.explain.shown import shown

_URI_FORMS: Final[tuple[tuple[Callable[[Parts], bytes], str], ...]] = (
    (lambda parts: parts.path + parts.query, "path and query alone"),
    (lambda parts: parts.path, "the path alone"),
    (lambda parts: parts.scheme + b"://" + parts.authority + parts.path, "the URI without its query"),
    (lambda parts: parts.authority + parts.path + parts.query, "the URI without its scheme"),
    (lambda parts: parts.scheme + b"://" + parts.authority, "scheme and authority alone"),
    (lambda parts: parts.method.lower() + b" " + parts.path + parts.query, "method and path, as old drafts had it"),
)


def uri_forms(form: Form) -> Iterator[Variation]:
    """Things that devices take for the target URI."""
    if not form.covers_any(TARGET_URI):
        return
    for make, what in _URI_FORMS:
        if make(form.parts) != target_uri(form.parts):
            yield Variation(
                "uri",
                Change(
                    "target-uri-form",
                    f"@target-uri is {what}",
                    f'the device signed "@target-uri": {shown(make(form.parts), 120)}',
                    "@target-uri is the whole URI, scheme://authority/path?query (RFC 9421 section 2.2.2): "
                    + shown(target_uri(form.parts), 160),
                ),
                with_layout(uri=make),
            )


def methods(form: Form) -> Iterator[Variation]:
    """The method in another case."""
    if not form.covers_any(b'"@method"'):
        return
    for method in (form.parts.method.lower(), form.parts.method.upper(), form.parts.method.capitalize()):
        if method != form.parts.method:
            yield Variation(
                "method",
                Change(
                    "method-case",
                    f'The device signed the method as "{shown(method)}"',
                    f'the device signed "@method": {shown(method)}, the request line has {shown(form.parts.method)}',
                    f'sign the method as it is sent: "{shown(form.parts.method)}"; methods are case-sensitive (RFC 9421'
                    " section 2.2.1)",
                ),
                with_parts(method=method),
            )
