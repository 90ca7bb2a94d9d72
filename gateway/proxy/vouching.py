"""What somebody else's proxy is told of a request that may pass: 200, and in fields who sent it."""

from gateway.model import Admitted
from gateway.onboarding.answer import OwnAnswer


def vouch(admitted: Admitted | None) -> OwnAnswer:
    """The answer; without an identity on an open route. Nothing is ever said for a body that was not seen (R10)."""
    fields: list[tuple[str, str]] = [("Cache-Control", "no-store")]
    if admitted is not None:
        verified = admitted.verified
        candidate = verified.candidate
        created = "" if candidate.created is None else f", created={candidate.created}"
        signature = f'label="{candidate.label}", alg="{verified.algorithm.value}"{created}'
        fields += [
            ("Wfm-Client-Id", verified.client.client_id),
            ("Wfm-Client-Cert-Sha256", verified.certificate.sha256),
            ("Wfm-Body-Verified", "?0"),
            ("Wfm-Signature", f"{signature}, components={candidate.components}"),
        ]
    return OwnAnswer(200, tuple(fields), b"")
