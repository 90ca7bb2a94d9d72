"""The steps from the key to the verdict: certificate, signature base, arithmetic, body, replay."""

import base64
import hashlib
from typing import Final

from gateway._native import Candidate, Digest, Refused, ecdsa_der
from gateway.explain import moments, octets
from gateway.explain.checks import none, sentence
from gateway.explain.facts import Facts, Operation, refusal_of
from gateway.explain.hints.coverage import required
from gateway.explain.report import Mark, Step, Table, Verdict
from gateway.explain.shown import count, shown
from gateway.model import Certificate, KeyType, Status
from gateway.policy import names
from gateway.reasons import TABLE, Reason
from gateway.registry.answers import Denied, Missing, Unavailable
from gateway.replay import is_claimed

_HALF: Final = {64: 32, 96: 48}


def key(facts: Facts) -> Step:
    """Step 7: the client's certificates (R11)."""
    found = facts.found
    if found is None:
        return none("key", "Key", "there is no client id to look up")
    if isinstance(found, Missing):
        return Step(
            name="key",
            title="Key",
            mark=Mark.FAIL,
            summary=sentence(Reason.KEY_UNKNOWN, f"{facts.client_id} in realm {facts.realm}"),
        )
    if isinstance(found, Denied | Unavailable):
        return Step(name="key", title="Key", mark=Mark.FAIL, summary=sentence(found.reason, found.detail))
    keyid = facts.focus.keyid if facts.focus is not None else None
    faults = [refusal_of(facts.rules, certificate, facts.now_s) for certificate in facts.certificates]
    rows: list[tuple[str, str]] = [("keyid sent", _keyid_verdict(facts, keyid))]
    for certificate, fault in zip(facts.certificates, faults, strict=True):
        rows += _certificate_facts(certificate, facts.subjects.get(certificate.sha256, ""), fault)
    who = f"client {shown(found.client_id)}" if found.client_id else "the certificate"
    if facts.presented:
        who += " in the body"
    elif facts.lookup.assumed:
        who += f" (assumed to have {shown(facts.lookup.source)})"
    mark, summary = Mark.OK, f"{who}, {found.status.value}, {count(len(faults), 'certificate')}"
    if found.status is not Status.ACTIVE:
        mark = Mark.FAIL
        summary = f"{who} is {found.status.value}"
    elif None not in faults:
        mark, summary = Mark.FAIL, f"{who} has no certificate that is valid now"
    if mark is Mark.OK and keyid is not None and not _matches(facts, keyid):
        mark = Mark.FAIL if facts.config.policy.keyid == "match" else Mark.WARN
        summary += "; the keyid is not that of any of them"
    return Step(name="key", title="Key", mark=mark, summary=summary, facts=tuple(rows))


def _matches(facts: Facts, keyid: str) -> bool:
    if facts.config.policy.keyid == "client-id":
        return True
    return any(names(keyid, certificate) for certificate in facts.certificates)


def _keyid_verdict(facts: Facts, keyid: str | None) -> str:
    if keyid is None:
        return "none"
    return f"{shown(keyid, 100)}: " + ("matches" if _matches(facts, keyid) else "does not match")


def _certificate_facts(certificate: Certificate, subject: str, fault: Refused | None) -> list[tuple[str, str]]:
    validity = f"{moments.absolute(certificate.not_before)} to {moments.absolute(certificate.not_after)}"
    if fault is not None:
        validity += f": {fault.reason}"
    kind = certificate.key_type.value if certificate.key_type is not KeyType.RSA else f"rsa-{certificate.bits}"
    return [
        ("certificate", f"{kind}, subject {shown(subject, 120) or 'unknown'}"),
        ("  keyid (SPKI)", certificate.spki_sha256),
        ("  SHA-256", certificate.sha256),
        ("  valid", validity),
    ]


def base(facts: Facts) -> Step:
    """Step 8: the exact signature base (RFC 9421 §2.5)."""
    if isinstance(facts.bases, Refused):
        summary = f"there is none: {sentence(facts.bases.reason, facts.bases.detail)}"
        return Step(name="base", title="Signature base", mark=Mark.FAIL, summary=summary)
    octets_ = facts.base
    if octets_ is None:
        return none("base", "Signature base", "there is no signature to read")
    digest = hashlib.sha256(octets_).hexdigest()
    rows = [("length", count(len(octets_), "octet")), ("SHA-256", digest)]
    lines = octets_.count(b"\n") + 1
    others = [authority for authority, other in facts.bases if other != octets_]
    rows += [("also tried", f"the same with authority {shown(authority)}") for authority in others]
    return Step(
        name="base",
        title="Signature base",
        mark=Mark.OK,
        octets=octets_,
        summary=f"{count(lines, 'line')}, {count(len(octets_), 'octet')}, LF between lines and none at the end",
        facts=tuple(rows),
    )


def arithmetic(facts: Facts) -> Step:
    """Step 9: the octets of the signature and what the key says to them (R11)."""
    focus = facts.focus
    if focus is None:
        return none("signature", "Signature", "there is no signature to read")
    facts_ = _octet_facts(focus, facts)
    rows = tuple(_operation_row(operation) for operation in facts.operations)
    table = Table(("algorithm", "key", "authority", "result"), rows) if rows else None
    holds = facts.holds
    if holds is not None and holds.algorithm is not None:
        summary = f"verifies as {holds.algorithm.value} with the key {holds.certificate.spki_sha256[:16]}…"
        return Step(name="signature", title="Signature", mark=Mark.OK, summary=summary, facts=facts_, table=table)
    if not facts.operations:
        why = "no key to verify with" if facts.base is not None else "no signature base to verify"
        return Step(name="signature", title="Signature", mark=Mark.NONE, summary=why, facts=facts_)
    refused = [operation.outcome for operation in facts.operations if isinstance(operation.outcome, Refused)]
    tried = any(operation.outcome is False for operation in facts.operations)
    if refused and not tried:
        summary = sentence(refused[0].reason, refused[0].detail)
    else:
        summary = sentence(Reason.SIGNATURE_WRONG)
    return Step(name="signature", title="Signature", mark=Mark.FAIL, summary=summary, facts=facts_, table=table)


def _octet_facts(focus: Candidate, facts: Facts) -> tuple[tuple[str, str], ...]:
    signature = focus.signature
    rows = [("length", count(len(signature), "octet"))]
    numbers = octets.der_integers(signature)
    half = _HALF.get(len(signature))
    elliptic = any(certificate.key_type.value in ("p256", "p384") for certificate in facts.certificates)
    if numbers is not None:
        rows.append(("shape", f"DER: r of {numbers[0].bit_length()} bits, s of {numbers[1].bit_length()} bits"))
    elif half is not None and elliptic:
        rows.append(("r", signature[:half].hex()))
        rows.append(("s", signature[half:].hex()))
        rows.append(("range", _range(signature, 8 * half)))
    else:
        rows.append(("octets", signature.hex()[:64] + ("…" if len(signature) > 32 else "")))
    return tuple(rows)


def _range(signature: bytes, bits: int) -> str:
    try:
        ecdsa_der(signature, bits)
    except Refused as refused:
        return sentence(refused.reason, refused.detail)
    return "1 <= r, s < n holds"


def _operation_row(operation: Operation) -> tuple[Mark, tuple[str, ...]]:
    algorithm = operation.algorithm.value if operation.algorithm is not None else "–"
    where = (algorithm, f"{operation.certificate.spki_sha256[:16]}…", shown(operation.authority))
    if isinstance(operation.outcome, Refused):
        return Mark.FAIL, (*where, operation.outcome.reason)
    return (Mark.OK, (*where, "verifies")) if operation.outcome else (Mark.FAIL, (*where, "does not verify"))


def digest(facts: Facts) -> Step:
    """Step 10: Content-Digest against the body (R10)."""
    body, parsed = facts.capture.body, facts.digest
    announced = b", ".join(facts.head.values(b"content-digest"))
    rows = [("announced", shown(announced, 240) or "–"), ("body", count(len(body), "octet"))]
    for name, hash_ in (("sha-256", hashlib.sha256), ("sha-512", hashlib.sha512)):
        if name == "sha-256" or (isinstance(parsed, Digest) and parsed.sha512 is not None):
            octets_ = hash_(body).digest()
            rows.append((f"computed {name}", f":{base64.b64encode(octets_).decode()}: = {octets_.hex()}"))
    mark, summary = _digest_verdict(facts)
    return Step(name="digest", title="Content-Digest", mark=mark, summary=summary, facts=tuple(rows))


def _digest_verdict(facts: Facts) -> tuple[Mark, str]:
    body, parsed = facts.capture.body, facts.digest
    if isinstance(parsed, Refused):
        return Mark.FAIL, sentence(parsed.reason, parsed.detail)
    if parsed is None:
        if body:
            return Mark.FAIL, sentence(Reason.DIGEST_MISSING)
        return Mark.OK, "no body, so that none is needed"
    if not parsed.known:
        return Mark.FAIL, sentence(Reason.DIGEST_UNKNOWN)
    if not parsed.matches(hashlib.sha256(body).digest(), hashlib.sha512(body).digest()):
        return Mark.FAIL, sentence(Reason.DIGEST_MISMATCH)
    focus = facts.focus
    if body and focus is not None and focus.reason is None and not focus.covers(b"content-digest"):
        if b"content-digest" in required(facts):
            return Mark.FAIL, "matches the body, but the signature does not cover it"
        return Mark.WARN, "matches the body; the signature does not cover it, which is tolerated for this client"
    return Mark.OK, "matches the body"


def replay(facts: Facts) -> Step:
    """Step 11: what would be claimed (R13); nothing is."""
    mode, judged = facts.config.policy.replay, facts.judged
    if judged.open_route or not is_claimed(mode, facts.head.method):
        why = f'{shown(facts.head.method)} requests are not claimed with policy.replay = "{mode}"'
        return none("replay", "Replay", "an open route claims nothing" if judged.open_route else why)
    if not judged.claims:
        return none("replay", "Replay", "nothing would be claimed: the request is refused before")
    nonce = facts.focus.nonce if facts.focus is not None else None
    rows = [("key", _key_text(claim)) for claim in judged.claims]
    rows.append(
        ("made of", "realm, client id and nonce" if nonce is not None else "realm, client id and signature base")
    )
    rows.append(("kept for", f"{facts.config.policy.claim_ttl_ms // 1000} s"))
    if judged.seen:
        return Step(
            name="replay", title="Replay", mark=Mark.FAIL, summary=sentence(Reason.REPLAY_SEEN), facts=tuple(rows)
        )
    known = "free in the store" if judged.seen is False else "no store was asked if it is taken"
    return Step(
        name="replay",
        title="Replay",
        mark=Mark.OK,
        facts=tuple(rows),
        summary=f"{count(len(judged.claims), 'key')} would be claimed, {known}; this explanation claims nothing",
    )


def _key_text(claim: bytes) -> str:
    """The prefix as text, the 16 octets behind it in hex."""
    return shown(claim[:-16]) + claim[-16:].hex()


def verdict(outcome: Verdict) -> Step:
    """Step 12: what the gateway answers, by its own pipeline."""
    rows = [("note", shown(note, 200)) for note in outcome.notes]
    if outcome.reason is None:
        return Step(
            name="verdict",
            title="Verdict",
            mark=Mark.OK,
            summary=f"accepted: the gateway would {shown(outcome.action, 300)}",
            facts=tuple(rows),
        )
    row = TABLE[outcome.reason]
    if outcome.detail:
        rows.insert(0, ("detail", shown(outcome.detail, 300)))
    rows.append(("remedy", row.remedy))
    return Step(
        name="verdict",
        title="Verdict",
        mark=Mark.FAIL,
        summary=f"refused with {row.status} {outcome.reason.value}: {row.sentence}",
        facts=tuple(rows),
    )
