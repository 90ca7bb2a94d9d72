"""What a signature was probably made of, from the strict reading where there is one and from a loose one elsewhere."""

import msgspec

from gateway._native import Head, Refused, select
from gateway.explain import loose
from gateway.explain.facts import Facts
from gateway.explain.form import Change, Form, Parts, take_apart


class Signed(msgspec.Struct, frozen=True):
    """`sent` is the member of Signature-Input as it stands in the request, `changes` what is wrong with its spelling.
    `octets` is None where the Signature field holds nothing that could be one."""

    label: str
    octets: bytes | None
    form: Form
    sent: bytes
    created: int | None
    alg: str | None
    keyid: str | None
    changes: tuple[Change, ...] = ()


def signed_of(facts: Facts) -> Signed | None:
    """The signature that the explanation is about; None if nothing like one is in the request."""
    head, view, focus = facts.head, facts.view, facts.focus
    query = b"" if head.query is None else b"?" + head.query
    parts = Parts(head.method, view.scheme, view.authorities[0], head.host, head.path, query, head.target)
    base = facts.base
    if focus is not None and base is not None:
        if facts.holds is not None:
            parts = msgspec.structs.replace(parts, authority=facts.holds.authority)
        form = take_apart(base, parts)
        if form is not None:
            return _strict(facts, form)
    if focus is not None and focus.reason == "signature.component_case":
        capital = _with_capital_digest(facts, parts)
        if capital is not None:
            return capital
    meant = loose.read(head, parts)
    if meant is None:
        return None
    # A device most likely signs the parameters as it sends them.
    form = msgspec.structs.replace(meant.form, params=meant.sent)
    octets = focus.signature if focus is not None else meant.octets
    return Signed(meant.label, octets, form, meant.form.params, meant.created, meant.alg, meant.keyid, meant.changes)


def _strict(facts: Facts, form: Form, changes: tuple[Change, ...] = ()) -> Signed:
    focus = facts.focus
    assert focus is not None
    sent = member_text(facts.head, focus.label) or form.params
    return Signed(focus.label, focus.signature, form, sent, focus.created, focus.alg, focus.keyid, changes)


def _with_capital_digest(facts: Facts, parts: Parts) -> Signed | None:
    """RFC 9421 wants lower case, Margo's text has "Content-Digest": read it with the leniency that is a setting."""
    assert facts.focus is not None
    label = facts.focus.label
    try:
        candidate = next(one for one in select(facts.head, {}, True) if one.label == label)
        base = candidate.base(parts.scheme, parts.authority)
    except Refused:
        return None
    form = take_apart(base, parts)
    if form is None:
        return None
    names = [line.written.strip(b'"') for line in form.lines if line.written != line.identifier]
    return _strict(facts, form, (loose.capital_change(names),))


def member_text(head: Head, label: str) -> bytes | None:
    """The member of Signature-Input with this label as it was sent, optional white space around it trimmed."""
    text = b", ".join(head.values(b"signature-input"))
    begin = depth = 0
    quoted = False
    members = []
    for at, octet in enumerate(text + b","):
        if octet == 0x22 and text[at - 1 : at] != b"\\":
            quoted = not quoted
        elif not quoted and octet in b"()":
            depth += 1 if octet == 0x28 else -1
        elif not quoted and depth == 0 and octet == 0x2C:
            members.append(text[begin:at])
            begin = at + 1
    for member in members:
        name, _, value = member.partition(b"=")
        if name.strip() == label.encode():
            return value.strip()
    return None
