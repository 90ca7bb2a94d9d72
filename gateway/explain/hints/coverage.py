"""What a signature must cover and does not (R9, R10)."""

from collections.abc import Iterator

from gateway.explain.facts import Facts
from gateway.explain.report import Hint
from gateway.explain.shown import shown
from gateway.routing.match import Match


def required(facts: Facts) -> tuple[bytes, ...]:
    """What must be covered by configuration, and content-digest with a body."""
    names = tuple(name.encode() for name in facts.config.policy.required_components)
    if _has_body(facts) and digest_required(facts) and b"content-digest" not in names:
        names += (b"content-digest",)
    return names


def digest_required(facts: Facts) -> bool:
    """Must the signature cover Content-Digest: as the client, the route, or the policy says."""
    if facts.client is not None and facts.client.require_covered_digest is not None:
        return facts.client.require_covered_digest
    if isinstance(facts.match, Match) and facts.match.require_covered_digest is not None:
        return facts.match.require_covered_digest
    return facts.config.policy.require_covered_digest


def _has_body(facts: Facts) -> bool:
    return facts.head.content_length > 0 or (facts.head.chunked and bool(facts.capture.body))


def hints(facts: Facts) -> Iterator[Hint]:
    """Components to add."""
    focus = facts.focus
    if focus is None or focus.reason is not None:
        return
    missing = [name for name in required(facts) if not focus.covers(name)]
    if missing == [b"content-digest"]:
        yield Hint(
            code="digest-not-covered",
            title="Content-Digest is not covered",
            found=f"the signature covers {shown(focus.components, 160)}; the request has a body",
            proof="the component list",
            proven=True,
            device='add "content-digest" to the components that are signed: nothing protects the body otherwise',
            gateway=(
                "for devices of before February 2026: wfm-gateway clients add --id ID --cert FILE --no-covered-digest,"
                " or policy.require_covered_digest = false for all"
            ),
        )
    elif missing:
        names = " ".join(f'"{shown(name)}"' for name in missing)
        yield Hint(
            code="not-covered",
            title=f"Not covered: {names}",
            found=f"the signature covers {shown(focus.components, 160)}",
            proof="the component list against policy.required_components",
            proven=True,
            device=f"add {names} to the components that are signed, bare and without parameters",
            gateway="policy.required_components says what must be covered",
        )
