"""The request with which a device onboards: its certificate, signed with its own key."""

import base64
import json
import uuid
from typing import Final

from gateway.demo.pki import Identity
from gateway.signing import PrivateKey, Request, SignedRequest, SignOptions, sign

JSON: Final = (("Content-Type", "application/json"),)


def certificate_body(identity: Identity) -> bytes:
    """The JSON object that carries the certificate, as the reference device writes it."""
    return json.dumps({"certificate": base64.b64encode(identity.certificate_pem).decode()}).encode()


def onboarding_request(identity: Identity, key: PrivateKey, origin: str, now: int) -> SignedRequest:
    """Signed at `now` (seconds since 1970) for the server that the device knows as `origin`."""
    request = Request("POST", f"{origin}/api/v1/onboarding", certificate_body(identity), JSON)
    # Two of one second would be one message twice without a nonce: a replay (R13).
    return sign(request, key, SignOptions(created=now, alg=identity.algorithm, nonce=uuid.uuid4().hex))
