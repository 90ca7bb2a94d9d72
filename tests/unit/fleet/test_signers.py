"""What is signed ahead is what the device would send when it is due."""

from gateway._native import parse_head, select
from gateway.demo.pki import key_pem, make_key
from gateway.fleet.devices import Credential
from gateway.fleet.schedule import POLL, REPORT
from gateway.fleet.signers import TRICKS, Workshop
from gateway.model import Algorithm
from gateway.reasons import Reason

ORIGIN = "https://wfm.example.com/v1alpha2/margo"
DUE = 1_800_000_000


def workshop() -> Workshop:
    return Workshop([Credential("dev-1", key_pem(make_key(Algorithm.ECDSA_P256_SHA256)))], ORIGIN)


def test_created_is_when_it_is_due() -> None:
    ((octets, expected),) = workshop().sign(0, POLL, DUE)
    head = parse_head(octets)
    assert expected is None
    assert head.target == b"/v1alpha2/margo/api/v1/clients/dev-1/deployments"
    assert select(head)[0].created == DUE


def test_two_reports_of_one_second_differ() -> None:
    shop = workshop()
    assert shop.sign(0, REPORT, DUE) != shop.sign(0, REPORT, DUE)


def test_every_trick_says_what_must_become_of_it() -> None:
    shop = workshop()
    expected = {kind: [reason for _, reason in shop.sign(0, kind, DUE)] for kind in TRICKS}
    assert expected == {
        "wrong key": [Reason.SIGNATURE_WRONG],
        "tampered body": [Reason.DIGEST_MISMATCH],
        "replayed": [None, Reason.REPLAY_SEEN],
        "stale": [Reason.POLICY_TOO_OLD],
        "no signature": [Reason.SIGNATURE_MISSING],
    }
    first, again = shop.sign(0, "replayed", DUE)
    assert first[0] == again[0]
