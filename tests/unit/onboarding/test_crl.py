"""Revocation lists (R19) as OpenSSL makes them: which can be used, and what they do to certificates."""

import time

import pytest

from gateway.config.onboarding import Authority as Section
from gateway.config.onboarding import Onboarding
from gateway.onboarding import crl_file
from gateway.onboarding.bundles import Bundles
from gateway.onboarding.crl import Crls, Source
from gateway.onboarding.crl_file import CrlError
from gateway.onboarding.trust import Trust
from gateway.onboarding.verdict import Accept, Reject
from gateway.reasons import Reason
from gateway.registry.issued import issued
from gateway.registry.revocations import NEVER_S, Revocations
from tests.support.openssl import CA, LEAF, Workshop

DAY_S = 86_400
NO_CRL_SIGN = "basicConstraints=CA:TRUE\nkeyUsage=keyCertSign\n"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    shop = Workshop(tmp_path_factory.mktemp("pki"))
    shop.root("vendor", extensions=None)
    for name in ("good", "bad"):
        shop.issue(name, by="vendor")
    shop.issue("v3-bad", by="vendor", extensions=LEAF)
    return shop


class World:
    """One worker's knowledge, over bundles that all have a list."""

    def __init__(self, shop: Workshop, *bundles: str, stale: str = "refuse", rules: tuple[str, ...] = ("ca",)) -> None:
        self.shop = shop
        sections = tuple(Section(file=str(shop.folder / bundle), crl=f"{bundle}.crl") for bundle in bundles)
        config = Onboarding(ca=sections, trust=rules, stale_crl=stale)  # type: ignore[arg-type]
        self.revocations = Revocations(stale == "refuse")
        self.bundles = Bundles(config)
        self.crls = Crls(self.bundles, self.revocations)
        self.trust = Trust(config, self.revocations, self.bundles)

    @property
    def source(self) -> Source:
        return self.crls.sources[0]

    def load(self, data: bytes, at: int = 0, later_s: float = 0.0) -> bool:
        source = self.crls.sources[at]
        return self.crls.put(source, self.crls.read(source, data, time.time() + 60 + later_s))

    def onboarding(self, name: str, later_s: float = 0.0, pinned: bool = False) -> Reason | None:
        verdict = self.trust.judge(*self.shop.load(name), time.time() + 60 + later_s, pinned)
        assert isinstance(verdict, Accept | Reject)
        return verdict.reason if isinstance(verdict, Reject) else None

    def known(self, name: str, later_s: float = 0.0) -> Reason | None:
        """What a known device with that certificate is told."""
        return self.revocations.objection(issued(self.shop.load(name)[1]), time.time() + 60 + later_s)


@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_r19_a_revoked_certificate_is_refused_everywhere(shop: Workshop, form: str) -> None:
    world = World(shop, "vendor.pem", rules=("ca", "pinned", "tofu"))
    shop.crl("vendor", revoked=("bad", "v3-bad") if form == "PEM" else ())
    data = shop.run("crl", "-in", "vendor.crl", "-outform", form)
    assert world.load(data) is True
    assert world.load(data) is False
    for name in ("bad", "v3-bad"):
        assert world.onboarding(name) is Reason.TRUST_REVOKED
        assert world.onboarding(name, pinned=True) is Reason.TRUST_REVOKED
        assert world.known(name) is Reason.KEY_REVOKED
    assert world.onboarding("good") is None
    assert world.known("good") is None


@pytest.mark.parametrize(("stale", "told"), [("refuse", Reason.TRUST_STALE_CRL), ("accept", None)])
def test_r19_without_a_current_list_the_policy_decides(shop: Workshop, stale: str, told: Reason | None) -> None:
    world = World(shop, "vendor.pem", stale=stale)
    assert world.onboarding("good") is told
    assert world.known("good") is told
    assert world.crls.next_update_s(world.source) == NEVER_S
    world.load(shop.crl("vendor"))
    assert world.known("good") is None
    assert world.known("good", later_s=8 * DAY_S) is told
    assert world.onboarding("good", later_s=8 * DAY_S) is told
    assert world.crls.next_update_s(world.source) == pytest.approx(time.time() + 7 * DAY_S, abs=60)


def test_r19_what_a_stale_list_revokes_stays_revoked(shop: Workshop) -> None:
    shop.issue("worse", by="vendor")
    data = shop.crl("vendor", revoked=("worse",))
    for stale in ("refuse", "accept"):
        world = World(shop, "vendor.pem", stale=stale)
        world.load(data, later_s=8 * DAY_S)
        assert world.known("worse", later_s=8 * DAY_S) is Reason.KEY_REVOKED


def test_r19_an_authority_without_a_list_is_not_watched(shop: Workshop) -> None:
    shop.root("unwatched")
    shop.issue("elsewhere", by="unwatched")
    world = World(shop, "vendor.pem")
    assert world.known("elsewhere") is None
    assert world.revocations.objection(b"", time.time()) is None


def test_r19_an_older_list_does_not_come_back(shop: Workshop) -> None:
    world = World(shop, "vendor.pem")
    shop.issue("latest", by="vendor")
    before = shop.crl("vendor")
    after = shop.crl("vendor", revoked=("latest",))
    world.load(after)
    with pytest.raises(CrlError, match="older than the list in force"):
        world.load(before)
    assert world.known("latest") is Reason.KEY_REVOKED


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("-crldays", "7", "-crlexts", "indirect"), "indirect"),
        (("-crldays", "7", "-crlexts", "delta"), "delta"),
        (("-crldays", "7", "-crlexts", "authorities"), "leaves out certificates of devices"),
        (("-crldays", "7", "-crlexts", "strange"), "1.2.3.4.5"),
        (("-crldays", "7", "-md", "sha1"), "weak"),
    ],
)
def test_r19_only_complete_and_direct_lists_are_used(shop: Workshop, options: tuple[str, ...], why: str) -> None:
    if not shop.path("lists").exists():
        shop.root("lists", "rsa")
    data = shop.crl("lists", options=options)
    world = World(shop, "lists.pem")
    with pytest.raises(CrlError, match=why):
        world.load(data)
    assert world.crls.next_update_s(world.source) == NEVER_S


def test_r19_a_list_from_the_future_is_not_used(shop: Workshop) -> None:
    data = shop.crl("vendor")
    world = World(shop, "vendor.pem")
    with pytest.raises(CrlError, match="future"):
        world.load(data, later_s=-DAY_S)


def test_r19_only_the_authority_itself_may_revoke(shop: Workshop) -> None:
    world = World(shop, "vendor.pem")
    shop.root("other")
    with pytest.raises(CrlError, match="CN=other, who is no authority"):
        world.load(shop.crl("other"))
    shop.root("thief", subject="/CN=vendor")
    with pytest.raises(CrlError, match="is not signed by CN=vendor"):
        world.load(shop.crl("thief"))
    shop.root("mute", extensions=NO_CRL_SIGN)
    with pytest.raises(CrlError, match="must not sign lists"):
        World(shop, "mute.pem").load(shop.crl("mute"))


@pytest.mark.parametrize(
    "data", [b"", b"<html>404</html>", b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"]
)
def test_r19_what_is_no_list_changes_nothing(shop: Workshop, data: bytes) -> None:
    world = World(shop, "vendor.pem")
    world.load(shop.crl("vendor"))
    with pytest.raises(CrlError, match="no revocation list"):
        world.load(data)
    assert world.known("good") is None


def test_r19_a_list_that_is_too_large_is_not_read(shop: Workshop) -> None:
    with pytest.raises(CrlError, match="larger"):
        World(shop, "vendor.pem").load(bytes(crl_file.SIZE_LIMIT_BYTES + 1))


def test_r19_a_revoked_intermediate_takes_its_devices_with_it(shop: Workshop) -> None:
    shop.root("top")
    shop.issue("middle", by="top", extensions=CA)
    shop.issue("low", by="middle", extensions=CA)
    shop.issue("under-middle", by="middle", extensions=LEAF)
    shop.issue("under-low", by="low")
    shop.bundle("tree", "top", "middle", "low")
    world = World(shop, "tree.bundle", stale="accept")
    world.load(shop.crl("top"))
    for name in ("under-middle", "under-low"):
        assert world.onboarding(name) is None
        assert world.known(name) is None
    world.load(shop.crl("top", revoked=("middle",)))
    for name in ("under-middle", "under-low"):
        assert world.onboarding(name) is Reason.TRUST_REVOKED
        assert world.known(name) is Reason.KEY_REVOKED


def test_r19_a_renewed_intermediate_goes_on_when_the_old_one_is_revoked(shop: Workshop) -> None:
    shop.root("summit")
    shop.issue("first", by="summit", extensions=CA, subject="/CN=issuing")
    shop.issue("next", by="summit", extensions=CA, subject="/CN=issuing")
    shop.issue("by-first", by="first", extensions=LEAF)
    shop.issue("by-next", by="next", extensions=LEAF)
    shop.bundle("renewal", "summit", "first", "next")
    world = World(shop, "renewal.bundle", stale="accept")
    world.load(shop.crl("summit", revoked=("first",)))
    assert world.onboarding("by-first") is Reason.TRUST_REVOKED
    assert world.onboarding("by-next") is None
    assert world.known("by-next") is None


def test_r19_several_lists_in_one_file(shop: Workshop) -> None:
    shop.root("one")
    shop.issue("two", by="one", extensions=CA)
    shop.issue("of-two", by="two")
    shop.bundle("pair", "one", "two")
    world = World(shop, "pair.bundle")
    world.load(shop.crl("one"))
    assert world.known("of-two") is Reason.TRUST_STALE_CRL
    world.load(shop.crl("one") + shop.crl("two"))
    assert world.known("of-two") is None
    world.load(shop.crl("two", revoked=("of-two",)))
    assert world.known("of-two") is Reason.KEY_REVOKED


def test_r19_two_lists_of_one_authority_both_count(shop: Workshop) -> None:
    shop.issue("sold", by="vendor")
    (shop.folder / "copy.pem").write_bytes(shop.path("vendor").read_bytes())
    world = World(shop, "vendor.pem", "copy.pem")
    world.load(shop.crl("vendor"))
    assert world.known("sold") is Reason.TRUST_STALE_CRL
    world.load(shop.crl("vendor", revoked=("sold",)), at=1)
    assert world.known("sold") is Reason.KEY_REVOKED
    assert world.known("good") is None
