"""Who may pass: what a signature must cover, when it was made, which client may use it. Makes every `Admitted` and
every `Unverified`."""

from gateway._native import Candidate, Digest, Head, Refused
from gateway.config import Policy
from gateway.model import Admitted, Certificate, Client, External, Mode, Refusal, Status, Unverified, Verified
from gateway.reasons import Reason
from gateway.registry.records import WAITING
from gateway.registry.revocations import Revocations
from gateway.signature.algorithms import AlgorithmChoice

_CONTENT_DIGEST = b"content-digest"
_ACTIVE = Status.ACTIVE  # looking it up at each use costs more than the comparison
_BY_STATUS = {
    Status.PENDING: Reason.KEY_PENDING,
    Status.REVOKED: Reason.KEY_REVOKED,
    Status.RETIRED: Reason.KEY_RETIRED,
    Status.TOMBSTONE: Reason.KEY_REMOVED,
}


class Rules:
    """The policy of one gateway, compiled once.

    :param revocations: what the authorities' lists say now; None: there are none
    """

    def __init__(self, policy: Policy, choice: AlgorithmChoice, revocations: Revocations | None = None) -> None:
        self._policy = policy
        self._revocations = revocations or Revocations()
        self._choice = choice
        self._required = tuple(name.encode() for name in policy.required_components)
        self._oldest_s = policy.max_age_s + policy.clock_skew_s

    def check_candidate(self, candidate: Candidate, now: float) -> None:
        """All that can be said of a signature without a key and without the body.

        :raises Refused: the candidate's own reason, policy.*, signature.unsupported_algorithm
        """
        if candidate.reason is not None:
            raise Refused(candidate.reason, candidate.detail)
        for name in self._required:  # R9
            if not candidate.covers(name):
                raise Refused(Reason.POLICY_NOT_COVERED, name.decode())
        self.check_time(candidate, now)
        self._choice.check_name(candidate.alg)

    def check_time(self, candidate: Candidate, now: float) -> None:
        """Is the signature fresh (R12)? Skew widens the age and the future bound, never `expires`.

        :raises Refused: policy.created_missing, policy.too_old, policy.from_future, policy.expired
        """
        created = candidate.created
        if created is None:
            raise Refused(Reason.POLICY_NO_CREATED, "")
        age_s = now - created
        if age_s > self._oldest_s:
            raise Refused(Reason.POLICY_TOO_OLD, f"{age_s:.0f} s old, at most {self._oldest_s} s are allowed")
        if -age_s > self._policy.clock_skew_s:
            ahead = f"{-age_s:.0f} s ahead, at most {self._policy.clock_skew_s} s are allowed"
            raise Refused(Reason.POLICY_FUTURE, ahead)
        if candidate.expires is not None and now > candidate.expires:
            raise Refused(Reason.POLICY_EXPIRED, f"{now - candidate.expires:.0f} s ago")

    def check_announced_body(self, head: Head, digest: Digest | None) -> None:
        """What the head says of the body (R5, R10).

        :raises Refused: request.body_too_large, digest.missing, digest.no_known_algorithm
        """
        if head.content_length > self._policy.body_limit_bytes:
            raise Refused(Reason.REQUEST_BODY_SIZE, f"{head.content_length} octets announced")
        if digest is None:
            if head.content_length > 0:
                raise Refused(Reason.DIGEST_MISSING, "")
        elif not digest.known:
            raise Refused(Reason.DIGEST_UNKNOWN, "")

    def check_digest_coverage(self, candidate: Candidate, required: bool) -> bool:
        """Does the signature protect the body (R9, R10)? False: it does not, and the client may do so.

        :raises Refused: digest.not_covered
        """
        if candidate.covers(_CONTENT_DIGEST):
            return True
        if required:
            raise Refused(Reason.DIGEST_NOT_COVERED, f"label {candidate.label}")
        return False

    def check_client(self, client: Client) -> None:
        """May this client do anything at all?

        :raises Refused: key.pending, key.revoked, key.retired, key.removed
        """
        if client.status is not _ACTIVE:
            raise Refused(_BY_STATUS[client.status], "")
        if client.labels and WAITING in client.labels:
            raise Refused(Reason.KEY_PENDING, "approved, and its WFM has not assigned an id yet")

    def check_certificate(self, certificate: Certificate, now: float) -> None:
        """Is the certificate valid at this moment (RFC 5280 §4.1.2.5: both ends belong to the validity), and on no
        revocation list (R19)?

        :raises Refused: key.not_yet_valid, key.expired, key.retired, key.revoked, trust.stale_crl
        """
        if now < certificate.not_before:
            raise Refused(Reason.KEY_NOT_YET_VALID, f"certificate {certificate.sha256}")
        if now >= certificate.not_after + 1:
            raise Refused(Reason.KEY_EXPIRED, f"certificate {certificate.sha256}")
        if certificate.retire_after is not None and now > certificate.retire_after:
            raise Refused(Reason.KEY_RETIRED, f"certificate {certificate.sha256}")
        objection = self._revocations.objection(certificate.issued, now)
        if objection is not None:
            raise Refused(objection, f"certificate {certificate.sha256}, by its authority's revocation list")

    def usable_certificates(self, client: Client, keyid: str | None, now: float) -> tuple[Certificate, ...]:
        """The client's certificates that are valid now, the one that `keyid` names first (R11: a hint, nothing more).

        :raises Refused: as `check_certificate`, key.keyid_mismatch
        """
        usable = []
        fault: Refused | None = None
        for certificate in client.certificates:
            try:
                self.check_certificate(certificate, now)
            except Refused as refused:
                fault = refused
            else:
                usable.append(certificate)
        if not usable:
            raise fault or Refused(Reason.KEY_RETIRED, "no certificate")
        if self._policy.keyid == "match" and not any(names(keyid, certificate) for certificate in usable):
            raise Refused(Reason.KEY_ID, f"keyid is {(keyid or '')[:100]!r}")
        if len(usable) > 1:
            usable.sort(key=lambda certificate: not names(keyid, certificate))
        return tuple(usable)

    def keyid_note(self, verified: Verified) -> str | None:
        """What to log about a `keyid` that does not name the certificate whose key verified (R11)."""
        keyid = verified.candidate.keyid
        if keyid is None or self._policy.keyid == "client-id" or names(keyid, verified.certificate):
            return None
        return f"keyid {keyid[:100]!r} is not the certificate's"

    def admit(
        self,
        head: Head,
        external: External,
        verified: Verified,
        body_verified: bool,
        claims: tuple[bytes, ...],
        notes: tuple[str, ...],
        route: str,
    ) -> Admitted:
        """The last step of a request that passed everything."""
        return Admitted(head, external, verified, body_verified, claims, notes, route)

    def let_go(
        self, head: Head, external: External, route: str, mode: Mode, client_id: str, refusal: Refusal | None
    ) -> Unverified:
        """The other last step: of a request that did not pass, on a route that forwards it all the same (R16)."""
        if mode == "enforce" or (refusal is None and mode == "observe" and self._policy.observe_share == 100):
            raise TypeError("this route forwards nothing that is not verified")
        return Unverified(head, external, route, mode, client_id, refusal)


def names(keyid: str | None, certificate: Certificate) -> bool:
    """Is `keyid` the certificate's SPKI hash or its own, in hex, however capitalised?"""
    if keyid is None:
        return False
    wanted = keyid.lower()
    return wanted in (certificate.spki_sha256, certificate.sha256)
