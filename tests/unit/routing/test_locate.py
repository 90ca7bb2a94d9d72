"""R6 and R7: where a request came from, and which authority its device signed."""

from collections.abc import Sequence

import pytest

from gateway._native import Refused
from gateway.config import from_flags
from gateway.model import External, Peer
from gateway.reasons import Reason
from gateway.routing import Locator
from gateway.routing.hops import Trust
from tests.unit.routing.heads import head

LB = "10.0.0.1"
LB_OUTER = "10.9.9.9"
DEVICE = "203.0.113.7"
PUBLIC = "https://wfm.example.com"


def locate(
    *fields: str,
    peer: str = LB,
    host: str = "wfm.example.com",
    public_url: str | None = PUBLIC,
    trusted: Sequence[str] = ("10.0.0.0/8", "2001:db8:1::/48"),
    listen: str | None = None,
) -> External:
    config = from_flags("http://127.0.0.1:9000", listen=listen, public_url=public_url, trusted_proxies=trusted)
    return Locator(config).locate(
        head(b"/", fields=[field.encode() for field in fields], host=host.encode()), Peer(peer)
    )


def refused(*fields: str, **options: str | None) -> str:
    with pytest.raises(Refused) as caught:
        locate(*fields, **options)  # type: ignore[arg-type]
    return caught.value.reason


# R6


@pytest.mark.parametrize(
    "field",
    [
        "X-Forwarded-For: 198.51.100.1",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Host: a, b",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Proto: gopher",
        "Forwarded: for=198.51.100.1;host=evil.example;proto=http",
        "Forwarded: ???",
    ],
)
def test_r6_fields_of_untrusted_peers_are_ignored(field: str) -> None:
    assert locate(field, peer=DEVICE) == External(b"https", (b"wfm.example.com",), DEVICE)
    assert locate(field, peer=LB, trusted=()) == External(b"https", (b"wfm.example.com",), LB)


@pytest.mark.parametrize(
    ("value", "client"),
    [
        (DEVICE, DEVICE),
        (f"{DEVICE}, {LB_OUTER}", DEVICE),
        (f"1.1.1.1, {DEVICE}, {LB_OUTER}, {LB}", DEVICE),
        (f"1.1.1.1,{DEVICE}", DEVICE),
        (LB_OUTER, LB_OUTER),
        (f"{LB}, {LB_OUTER}", LB),
        ("unknown", LB),
        (f"{DEVICE}, unknown", LB),
        (f"{DEVICE}, unknown, {LB_OUTER}", LB_OUTER),
        (f"{DEVICE}, , {LB_OUTER},", DEVICE),
        ("", LB),
        (f"{DEVICE}:4711", DEVICE),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("2001:DB8:0::7", "2001:db8::7"),
        (f"{DEVICE}, 2001:db8:1::1", DEVICE),
        (f"{DEVICE}, ::ffff:{LB_OUTER}", DEVICE),
        (f"::ffff:{DEVICE}", DEVICE),
        ("fe80::1%<b>", LB),
        ("203.0.113.7:port", LB),
        ("[2001:db8::7", LB),
        ("[2001:db8::7]x", LB),
        ("203.0.113.007", LB),
    ],
)
def test_r6_client_address_is_found_from_the_right(value: str, client: str) -> None:
    assert locate(f"X-Forwarded-For: {value}").client_address == client


def test_r6_field_lines_are_one_list() -> None:
    fields = ("X-Forwarded-For: 1.1.1.1", f"X-Forwarded-For: {DEVICE}", f"X-Forwarded-For: {LB_OUTER}")
    assert locate(*fields).client_address == DEVICE


@pytest.mark.parametrize("name", ["X-Forwarded-For: ", "Forwarded: for="])
def test_r5_long_chains_are_cut(name: str) -> None:
    chain = ", ".join(
        f"{name.removeprefix('X-Forwarded-For: ').removeprefix('Forwarded: ')}10.1.{n}.1" for n in range(40)
    )
    assert locate(f"{name.split('for=')[0]}{chain}").client_address == "10.1.8.1"


@pytest.mark.parametrize(
    "fields",
    [
        ("X-Forwarded-Host: a.example, b.example",),
        ("X-Forwarded-Host: wfm.example.com", "X-Forwarded-Host: wfm.example.com"),
        ("X-Forwarded-Host:",),
        ("X-Forwarded-Host: a b",),
        ("X-Forwarded-Host: me@wfm.example.com",),
        ("X-Forwarded-Host: wfm.example.com/x",),
        ("X-Forwarded-Host: wfm.example.com:99999",),
        ("X-Forwarded-Host: [::g]",),
        ("X-Forwarded-Proto: https, http",),
        ("X-Forwarded-Proto: https", "X-Forwarded-Proto: https"),
        ("X-Forwarded-Proto: wss",),
        ("X-Forwarded-Proto:",),
        ("Forwarded: proto=wss",),
        ('Forwarded: proto=""',),
        ("Forwarded: host=a.example, host=a.example",),
        ("Forwarded: host=a.example", "Forwarded: host=b.example"),
        ("Forwarded: proto=https, for=1.1.1.1;proto=https",),
        ('Forwarded: host="a b"',),
        ('Forwarded: host=""',),
        ("Forwarded: host",),
    ],
)
def test_r6_host_and_scheme_are_single_valued(fields: tuple[str, ...]) -> None:
    assert refused(*fields) == Reason.REQUEST_PROXY_FIELDS
    assert refused(*fields, public_url=None) == Reason.REQUEST_PROXY_FIELDS


def test_r6_a_list_of_hosts_is_called_a_list() -> None:
    with pytest.raises(Refused) as caught:
        locate("X-Forwarded-Host: a.example, b.example")
    assert caught.value.detail == "x-forwarded-host has more than one value, or an empty one"


@pytest.mark.parametrize(
    "fields",
    [
        ("X-Forwarded-Host: a.example", "Forwarded: host=b.example"),
        ("X-Forwarded-Host: a.example", 'Forwarded: host="a.example:8443"'),
        ("X-Forwarded-Proto: https", "Forwarded: proto=http"),
        (f"X-Forwarded-For: {DEVICE}", "Forwarded: for=198.51.100.1"),
        (f"X-Forwarded-For: {DEVICE}", "Forwarded: for=unknown"),
        (f"X-Forwarded-For: {DEVICE}", f"Forwarded: for={DEVICE}, for=198.51.100.1"),
    ],
)
def test_r6_forwarded_must_not_contradict(fields: tuple[str, ...]) -> None:
    assert refused(*fields) == Reason.REQUEST_PROXY_FIELDS
    assert refused(*reversed(fields)) == Reason.REQUEST_PROXY_FIELDS


@pytest.mark.parametrize(
    "fields",
    [
        ("X-Forwarded-Host: A.example", 'Forwarded: host="a.example:443"', "X-Forwarded-Proto: https"),
        ("X-Forwarded-Proto: HTTPS", "X-Forwarded-Host: A.example", "Forwarded: proto=https"),
        (f"X-Forwarded-For: {DEVICE}", "Forwarded: host=A.example;proto=https"),
        (f"X-Forwarded-For: {DEVICE}:1", f"Forwarded: for={DEVICE};host=A.example;proto=https"),
    ],
)
def test_r6_forwarded_may_say_the_same(fields: tuple[str, ...]) -> None:
    found = locate(*fields, public_url=None)
    assert found.scheme == b"https"
    assert found.authorities[0] == b"A.example"
    assert found.authorities[-1] == b"a.example"


@pytest.mark.parametrize(
    ("value", "client"),
    [
        (f"for={DEVICE}", DEVICE),
        (f'for="{DEVICE}:99"', DEVICE),
        ('for="[2001:db8::7]:99"', "2001:db8::7"),
        (f"for=1.1.1.1, for={DEVICE}, for={LB_OUTER}", DEVICE),
        (f"for={DEVICE}, for=_hidden, for={LB_OUTER}", LB_OUTER),
        (f"for={DEVICE}, proto=https", LB),
        ('for=""', LB),
    ],
)
def test_r6_forwarded_is_walked_from_the_right(value: str, client: str) -> None:
    assert locate(f"Forwarded: {value}").client_address == client


def test_r6_only_elements_of_trusted_hops_name_the_authority() -> None:
    chain = f"for={DEVICE};host=outer.example;proto=https, for={LB_OUTER}"
    assert locate(f"Forwarded: {chain}", public_url=None).authorities == (b"outer.example",)
    # The device wrote the first element itself; its own load balancer appended what it knew.
    forged = f"host=evil.example;proto=https, for={DEVICE}"
    assert refused(f"Forwarded: {forged}", public_url=None) == Reason.REQUEST_HOST
    assert locate(f"Forwarded: {forged}").authorities == (b"wfm.example.com",)


def test_r6_peers_of_our_unix_socket_count_only_if_told_so() -> None:
    fields = (f"X-Forwarded-For: {DEVICE}", "X-Forwarded-Host: WFM.example.com")
    told = locate(*fields, peer="", listen="unix:/run/x", trusted=["unix"])
    assert told == External(b"https", (b"WFM.example.com", b"wfm.example.com"), DEVICE)
    untold = locate(*fields, peer="", listen="unix:/run/x", trusted=["10.0.0.0/8"])
    assert untold == External(b"https", (b"wfm.example.com",), "")
    # An empty node must not pass for our unix socket.
    empty = locate(f'Forwarded: for={DEVICE}, for=""', peer="", listen="unix:/run/x", trusted=["unix"])
    assert empty.client_address == ""


@pytest.mark.parametrize("peer", ["::ffff:10.0.0.1", "10.0.0.1", "2001:db8:1::5", "2001:db8:1::5%eth0"])
def test_r6_peer_addresses_are_compared_in_one_spelling(peer: str) -> None:
    assert locate(f"X-Forwarded-For: {DEVICE}", peer=peer).client_address == DEVICE


def test_r6_what_is_remembered_of_addresses_is_bounded() -> None:
    trust = Trust(from_flags("http://x", public_url=PUBLIC, trusted_proxies=["10.0.0.0/8"]).listen)
    for number in range(10_000):
        assert trust.peer(f"10.1.{number // 250}.{number % 250}")
        assert not trust.peer(f"198.51.{number // 250}.{number % 250}")
        assert trust.walk(LB, [b"x" * number]) == (LB, 1)
    assert len(trust._known) <= 4096
    assert max(map(len, trust._known)) < 50


# R7


@pytest.mark.parametrize(
    ("public_url", "host", "authorities"),
    [
        ("https://wfm.example.com", "wfm.example.com", (b"wfm.example.com",)),
        ("https://wfm.example.com", "WFM.example.com", (b"WFM.example.com", b"wfm.example.com")),
        ("https://wfm.example.com", "wfm.example.com:443", (b"wfm.example.com:443", b"wfm.example.com")),
        ("https://WFM.example.com:443", "wfm.example.com", (b"wfm.example.com",)),
        ("https://wfm.example.com", "wfm.example.com:80", (b"wfm.example.com",)),
        ("http://wfm.example.com", "wfm.example.com:80", (b"wfm.example.com:80", b"wfm.example.com")),
        ("https://wfm.example.com:8443", "wfm.example.com", (b"wfm.example.com:8443",)),
        ("https://wfm.example.com:8443", "Wfm.example.com:8443", (b"Wfm.example.com:8443", b"wfm.example.com:8443")),
        ("https://wfm.example.com", "evil.example", (b"wfm.example.com",)),
        ("https://[2001:db8::1]", "[2001:DB8::1]:443", (b"[2001:DB8::1]:443", b"[2001:db8::1]")),
        ("https://[2001:db8::1]:8443", "[2001:db8::1]:8443", (b"[2001:db8::1]:8443",)),
    ],
)
def test_r7_public_url_is_the_source_and_the_received_spelling_a_candidate(
    public_url: str, host: str, authorities: tuple[bytes, ...]
) -> None:
    for peer in (DEVICE, LB):
        found = locate(peer=peer, host=host, public_url=public_url)
        assert found.authorities == authorities
        assert found.scheme == public_url.partition(":")[0].encode()
    # Behind a load balancer that rewrote Host, the received spelling is what it forwarded.
    forwarded = locate(f"X-Forwarded-Host: {host}", host="backend.internal", public_url=public_url)
    assert forwarded.authorities == authorities


def test_r7_public_url_gives_the_scheme_whatever_is_forwarded() -> None:
    assert locate("X-Forwarded-Proto: http").scheme == b"https"


@pytest.mark.parametrize(
    ("fields", "scheme", "authorities"),
    [
        (("X-Forwarded-Host: wfm.example.com", "X-Forwarded-Proto: https"), b"https", (b"wfm.example.com",)),
        (
            ("X-Forwarded-Host: WFM.example.com:443", "X-Forwarded-Proto: https"),
            b"https",
            (b"WFM.example.com:443", b"wfm.example.com"),
        ),
        (("X-Forwarded-Host: w.example:443", "X-Forwarded-Proto: http"), b"http", (b"w.example:443",)),
        (("Forwarded: host=w.example;proto=http",), b"http", (b"w.example",)),
        (('Forwarded: Proto=HTTPS;Host="W.example:80"',), b"https", (b"W.example:80", b"w.example:80")),
        (("X-Forwarded-Host: w.example", "Forwarded: proto=https"), b"https", (b"w.example",)),
    ],
)
def test_r7_without_public_url_one_value_of_a_trusted_proxy_is_the_source(
    fields: tuple[str, ...], scheme: bytes, authorities: tuple[bytes, ...]
) -> None:
    found = locate(*fields, host="backend.internal", public_url=None)
    assert (found.scheme, found.authorities) == (scheme, authorities)


@pytest.mark.parametrize("peer", [LB, DEVICE, ""])
def test_r7_without_any_source_the_request_is_refused(peer: str) -> None:
    assert refused(peer=peer, public_url=None) == Reason.REQUEST_HOST
    assert refused("X-Forwarded-Proto: https", peer=peer, public_url=None) == Reason.REQUEST_HOST


def test_r7_forwarded_host_of_a_stranger_is_no_source() -> None:
    fields = ("X-Forwarded-Host: wfm.example.com", "X-Forwarded-Proto: https")
    assert refused(*fields, peer=DEVICE, public_url=None) == Reason.REQUEST_HOST


def test_r7_forwarded_host_without_a_scheme_is_no_source() -> None:
    assert refused("X-Forwarded-Host: wfm.example.com", public_url=None) == Reason.REQUEST_PROXY_FIELDS
