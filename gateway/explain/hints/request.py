"""The request as a whole: other eras of Margo, fields that went missing or came twice, replays."""

from collections.abc import Iterator

from gateway._native import Refused
from gateway.explain.facts import Facts
from gateway.explain.report import Hint
from gateway.explain.shown import shown
from gateway.reasons import Reason


def hints(facts: Facts) -> Iterator[Hint]:
    """What the list of fields tells."""
    head = facts.head
    if head.values(b"x-payload-signature"):
        yield Hint(
            code="older-margo",
            title="This is a signature of the first Margo drafts",
            found="the request has X-Payload-Signature",
            proof="RFC 9421 has Signature-Input and Signature instead",
            proven=True,
            device="sign by RFC 9421, as Margo has it since December 2025",
        )
    if isinstance(facts.bases, Refused) and facts.bases.reason == Reason.SIGNATURE_COMPONENT_ABSENT:
        name = shown(facts.bases.detail, 100)
        yield Hint(
            code="component-absent",
            title=f"{name} is covered, but not in the request",
            found=f"the signature covers {name}; the request as captured has no such field or query parameter",
            proof="the signature base cannot be built without it",
            proven=True,
            device=f"send what is signed, or do not cover {name}",
            gateway=(
                f"look if a hop on the way removes {name}; hop-by-hop fields (Connection, TE, ...) cannot be covered"
            ),
        )
    if facts.judged.verdict.reason is Reason.REPLAY_SEEN:
        yield Hint(
            code="replayed",
            title="The gateway has seen this very signature already",
            found="its replay key is claimed in the store",
            proof=f"asked {facts.lookup.source}; nothing was claimed by this explanation",
            proven=True,
            device=(
                "sign again for each retry, with a new created (and a nonce, if two requests may be alike in one"
                " second)"
            ),
        )
