"""Sign requests as devices do: for `wfm-gateway sign`, the demo, tests and benchmarks. Synchronous and without I/O."""

from gateway.signing.keys import PrivateKey, algorithms_of, keyid_of, load_private_key
from gateway.signing.render import curl, raw
from gateway.signing.sign import Request, SignedRequest, SignOptions, sign, sign_also, split_url

__all__ = [
    "PrivateKey",
    "Request",
    "SignOptions",
    "SignedRequest",
    "algorithms_of",
    "curl",
    "keyid_of",
    "load_private_key",
    "raw",
    "sign",
    "sign_also",
    "split_url",
]
