"""Who may be onboarded (R19), with certificates as OpenSSL makes them."""

import time
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509

from gateway.config.onboarding import Authority, Onboarding
from gateway.onboarding.trust import Trust
from gateway.onboarding.verdict import Accept, Pending, Reject, Verdict
from gateway.reasons import ConfigError, Reason
from tests.support.openssl import CA, LEAF, Workshop

DAY_S = 86_400
CA_0 = CA.replace("CA:TRUE", "CA:TRUE,pathlen:0")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    shop = Workshop(tmp_path_factory.mktemp("pki"))
    shop.root("vendor", extensions=None)  # as `openssl req -x509` makes it: no key usage
    shop.issue("device", by="vendor")
    shop.issue("plain", by="vendor", extensions=LEAF)
    shop.root("self", extensions=None)
    return shop


def judge(
    shop: Workshop,
    name: str,
    *bundles: Path | tuple[Path, str],
    rules: tuple[str, ...] = ("ca",),
    pinned: bool = False,
    later_s: float = 60,
) -> Verdict:
    entries = [(entry, "") if isinstance(entry, Path) else entry for entry in bundles]
    authorities = tuple(Authority(file=str(file), tenant=tenant) for file, tenant in entries)
    config = Onboarding(trust=rules, ca=authorities)  # type: ignore[arg-type]
    return Trust(config).judge(*shop.load(name), time.time() + later_s, pinned)


def reason(verdict: Verdict) -> Reason | None:
    return verdict.reason if isinstance(verdict, Reject) else None


@pytest.mark.parametrize("pinned", [False, True])
def test_r19_by_default_nobody_is_trusted(shop: Workshop, pinned: bool) -> None:
    assert reason(judge(shop, "device", rules=(), pinned=pinned)) is Reason.TRUST_UNTRUSTED


def test_r19_a_pin_needs_no_chain(shop: Workshop) -> None:
    assert judge(shop, "device", rules=("pinned",), pinned=True) == Accept("pinned")
    assert judge(shop, "self", rules=("pinned",), pinned=True) == Accept("pinned")
    assert reason(judge(shop, "self", rules=("pinned",))) is Reason.TRUST_UNTRUSTED


def test_r19_first_contact_and_approval(shop: Workshop) -> None:
    assert judge(shop, "self", rules=("tofu",)) == Accept("tofu")
    assert isinstance(judge(shop, "self", rules=("approval",)), Pending)
    assert judge(shop, "self", rules=("approval", "pinned"), pinned=True) == Accept("pinned")


def test_r19_a_default_leaf_of_openssl_passes_by_the_minimal_path(shop: Workshop) -> None:
    certificate, _ = shop.load("device")
    if certificate.version is not x509.Version.v1:
        pytest.skip("this OpenSSL makes v3 leaves by default")
    assert judge(shop, "device", shop.path("vendor")) == Accept("ca")
    assert judge(shop, "device", (shop.path("vendor"), "plant-7")) == Accept("ca", "plant-7")


@pytest.mark.parametrize("leaf_kind", ["p256", "p384", "rsa", "ed25519"])
@pytest.mark.parametrize("ca_kind", ["p256", "p384", "rsa", "ed25519"])
@pytest.mark.parametrize("extensions", [None, LEAF], ids=["default", "v3"])
def test_r19_every_kind_of_key_has_a_path(shop: Workshop, leaf_kind: str, ca_kind: str, extensions: str | None) -> None:
    if not shop.path(ca_kind).exists():
        shop.root(ca_kind, ca_kind)
    name = f"{leaf_kind}-under-{ca_kind}-{'v3' if extensions else 'default'}"
    shop.issue(name, by=ca_kind, extensions=extensions, kind=leaf_kind)
    assert judge(shop, name, shop.path(ca_kind)) == Accept("ca")
    assert reason(judge(shop, name, shop.path("vendor"))) is Reason.TRUST_UNTRUSTED


def test_r19_without_the_rule_a_chain_accepts_nobody(shop: Workshop) -> None:
    assert reason(judge(shop, "device", shop.path("vendor"), rules=("pinned",))) is Reason.TRUST_UNTRUSTED


def test_r19_the_tenant_is_that_of_the_authority(shop: Workshop) -> None:
    shop.root("second")
    shop.issue("of-second", by="second", extensions=LEAF)
    entries = ((shop.path("vendor"), "plant-1"), (shop.path("second"), "plant-2"))
    assert judge(shop, "plain", *entries) == Accept("ca", "plant-1")
    assert judge(shop, "of-second", *entries) == Accept("ca", "plant-2")
    # A pin says no less about who issued it.
    assert judge(shop, "of-second", *entries, rules=("pinned",), pinned=True) == Accept("pinned", "plant-2")


@pytest.mark.parametrize("extensions", [None, LEAF], ids=["default", "v3"])
@pytest.mark.parametrize("rule", ["pinned", "ca", "tofu", "approval"])
def test_r19_an_impostor_of_a_configured_authority_is_rejected_for_good(
    shop: Workshop, extensions: str | None, rule: str
) -> None:
    shop.root("impostor", subject="/CN=vendor")
    shop.issue("forged", by="impostor", extensions=extensions)
    verdict = judge(shop, "forged", shop.path("vendor"), rules=("ca", rule) if rule != "ca" else ("ca",), pinned=True)
    assert reason(verdict) is Reason.TRUST_CHAIN


def test_r19_of_two_authorities_of_one_name_the_right_one_counts(shop: Workshop) -> None:
    shop.root("renewed", subject="/CN=vendor")
    shop.issue("of-renewed", by="renewed")
    bundle = shop.bundle("both", "vendor", "renewed")
    assert judge(shop, "of-renewed", bundle) == Accept("ca")
    assert judge(shop, "device", bundle) == Accept("ca")
    assert judge(shop, "of-renewed", shop.path("vendor"), shop.path("renewed")) == Accept("ca")


@pytest.mark.parametrize("pinned", [False, True])
def test_r19_validity_is_final(shop: Workshop, pinned: bool) -> None:
    rules = ("pinned", "ca", "tofu")
    ca = shop.path("vendor")
    assert reason(judge(shop, "device", ca, rules=rules, pinned=pinned, later_s=31 * DAY_S)) is Reason.TRUST_EXPIRED
    early = judge(shop, "device", ca, rules=rules, pinned=pinned, later_s=-DAY_S)
    assert reason(early) is Reason.TRUST_NOT_YET_VALID


def test_r19_weak_keys_are_final(shop: Workshop) -> None:
    shop.issue("weak", by="vendor", kind="rsa1024")
    verdict = judge(shop, "weak", shop.path("vendor"), rules=("pinned", "ca", "tofu"), pinned=True)
    assert reason(verdict) is Reason.TRUST_WEAK_KEY


def test_r19_a_weak_signature_makes_no_path(shop: Workshop) -> None:
    shop.root("old", "rsa")
    for extensions in (None, LEAF):
        shop.issue("sha1", by="old", extensions=extensions, options=("-sha1",))
        verdict = judge(shop, "sha1", shop.path("old"))
        assert reason(verdict) is Reason.TRUST_CHAIN
        assert isinstance(verdict, Reject)
        assert "weak" in verdict.detail


@pytest.mark.parametrize(
    "extensions",
    [
        "basicConstraints=CA:TRUE\n",
        "keyUsage=keyCertSign,digitalSignature\n",
        "keyUsage=keyEncipherment\n",
        "extendedKeyUsage=serverAuth\n",
    ],
)
def test_r19_only_a_certificate_to_sign_with_will_do(shop: Workshop, extensions: str) -> None:
    shop.issue("unfit", by="vendor", extensions=extensions)
    assert reason(judge(shop, "unfit", shop.path("vendor"))) is Reason.TRUST_USAGE


@pytest.mark.parametrize(
    "extensions",
    [
        "keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth,serverAuth\n",
        "extendedKeyUsage=anyExtendedKeyUsage\n",
        "keyUsage=nonRepudiation\nsubjectAltName=DNS:device.example\n",
        "authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n",
    ],
)
def test_r19_usual_device_certificates_pass(shop: Workshop, extensions: str) -> None:
    shop.issue("fit", by="vendor", extensions=extensions)
    assert judge(shop, "fit", shop.path("vendor")) == Accept("ca")


@cache
def chains(folder: Path) -> None:
    """Two roots (P-256, Ed25519), each with an intermediate that may issue, one that may issue leaves only, and so on."""
    shop = Workshop(folder)
    for kind in ("p256", "ed25519"):
        shop.root(f"{kind}-root", kind)
        shop.issue(f"{kind}-middle", by=f"{kind}-root", extensions=CA, kind=kind)
        shop.issue(f"{kind}-last", by=f"{kind}-root", extensions=CA_0, kind=kind)
        shop.issue(f"{kind}-beyond", by=f"{kind}-last", extensions=CA, kind=kind)
        shop.issue(f"{kind}-short", by=f"{kind}-root", extensions=CA, kind=kind, days=10)
        narrow = CA + "nameConstraints=critical,permitted;dirName:dn\n[dn]\nCN=nobody\n"
        shop.issue(f"{kind}-narrow", by=f"{kind}-root", extensions=narrow, kind=kind)
        shop.issue(
            f"{kind}-strange", by=f"{kind}-root", extensions=CA + "1.2.3.4.5=critical,ASN1:UTF8String:what\n", kind=kind
        )


@pytest.mark.parametrize("leaf", [None, LEAF], ids=["default", "v3"])
@pytest.mark.parametrize("kind", ["p256", "ed25519"])
@pytest.mark.parametrize(
    ("issuer", "members", "later_s", "expected"),
    [
        ("middle", ("middle", "root"), 60, None),
        ("middle", ("root", "middle"), 60, None),
        ("middle", ("middle",), 60, None),
        ("middle", ("root",), 60, Reason.TRUST_UNTRUSTED),
        ("last", ("last", "root"), 60, None),
        ("beyond", ("beyond", "last", "root"), 60, Reason.TRUST_CHAIN),
        ("short", ("short", "root"), 60, None),
        ("short", ("short", "root"), 11 * DAY_S, Reason.TRUST_CHAIN),
        ("strange", ("strange", "root"), 60, Reason.TRUST_CHAIN),
    ],
)
def test_r19_paths_through_intermediates(
    shop: Workshop,
    kind: str,
    leaf: str | None,
    issuer: str,
    members: tuple[str, ...],
    later_s: float,
    expected: Reason | None,
) -> None:
    chains(shop.folder)
    shop.issue("leaf", by=f"{kind}-{issuer}", extensions=leaf)
    bundle = shop.bundle("chain", *(f"{kind}-{member}" for member in members))
    verdict = judge(shop, "leaf", bundle, later_s=later_s)
    assert reason(verdict) is expected, verdict
    if expected is None:
        assert verdict == Accept("ca")


@pytest.mark.parametrize("kind", ["p256", "ed25519"])
def test_r19_the_minimal_path_leaves_restrictions_it_cannot_judge_to_nobody(shop: Workshop, kind: str) -> None:
    chains(shop.folder)
    shop.issue("narrowed", by=f"{kind}-narrow")
    bundle = shop.bundle("narrow", f"{kind}-narrow", f"{kind}-root")
    assert reason(judge(shop, "narrowed", bundle)) is Reason.TRUST_CHAIN


@pytest.mark.parametrize("kind", ["p256", "ed25519"])
def test_r19_a_leaf_with_an_unknown_critical_extension_has_no_path(shop: Workshop, kind: str) -> None:
    chains(shop.folder)
    shop.issue("strange", by=f"{kind}-root", extensions=LEAF + "1.2.3.4.5=critical,ASN1:UTF8String:what\n")
    assert reason(judge(shop, "strange", shop.path(f"{kind}-root"))) is Reason.TRUST_CHAIN


def test_r19_a_leaf_issues_nobody(shop: Workshop) -> None:
    shop.issue("child", by="plain", extensions=LEAF)
    assert reason(judge(shop, "child", shop.path("vendor"))) is Reason.TRUST_UNTRUSTED


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("device", "does not say that it is an authority's"),
        ("plain", "does not say that it is an authority's"),
        ("no-sign", "must not sign certificates"),
        ("weak-ca", "weak key"),
    ],
)
def test_r19_only_authorities_may_be_configured(shop: Workshop, name: str, why: str) -> None:
    if name == "no-sign":
        shop.root(name, extensions="basicConstraints=CA:TRUE\nkeyUsage=cRLSign\n")
    if name == "weak-ca":
        shop.root(name, "rsa1024")
    with pytest.raises(ConfigError, match=why) as caught:
        judge(shop, "device", shop.path(name))
    assert caught.value.reason is Reason.CONFIG_INVALID


def test_r19_an_unreadable_bundle_is_told_at_the_start(shop: Workshop) -> None:
    broken = shop.folder / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    for path in (broken, shop.folder / "absent.pem"):
        with pytest.raises(ConfigError) as caught:
            judge(shop, "device", path)
        assert caught.value.reason is Reason.CONFIG_UNREADABLE
