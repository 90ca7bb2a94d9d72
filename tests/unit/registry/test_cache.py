"""L1: bounded, least recently used out first, unknown ids apart and short-lived."""

from msgspec import structs

from gateway.model import Certificate, Client, KeyType, Status
from gateway.registry.cache import Cache


def client(name: str, realm: str = "default") -> Client:
    certificate = Certificate("ab" * 32, b"spki", "cd" * 32, KeyType.P256, 256, 0, 2**31)
    return Client(realm, name, Status.ACTIVE, (certificate,), None, (("site", "".join(["no", "rth"])),), "tenant")


def test_the_least_recently_used_client_goes_first() -> None:
    cache = Cache(entries=3)
    for name in ("a", "b", "c"):
        cache.put(client(name))
    assert cache.get(("default", "a")) == client("a")
    cache.put(client("d"))
    assert cache.get(("default", "b")) is None
    assert [cache.get(("default", name)) is not None for name in "acd"] == [True, True, True]
    assert (len(cache), cache.evictions) == (3, 1)


def test_putting_a_client_again_replaces_it_and_counts_as_use() -> None:
    cache = Cache(entries=2)
    cache.put(client("a"))
    cache.put(client("b"))
    cache.put(client("a"))
    cache.put(client("c"))
    assert cache.get(("default", "a")) is not None
    assert cache.get(("default", "b")) is None


def test_r3_the_same_id_in_two_realms_is_two_clients() -> None:
    cache = Cache(entries=10)
    cache.put(client("dev1", "one"))
    cache.put_missing(("two", "dev1"), 0.0)
    assert cache.get(("one", "dev1")) == client("dev1", "one")
    assert cache.get(("two", "dev1")) is None
    cache.evict(("two", "dev1"))
    assert cache.get(("one", "dev1")) is not None


def test_a_flood_of_unknown_ids_evicts_no_device() -> None:
    cache = Cache(entries=100, missing_entries=50)
    for number in range(100):
        cache.put(client(f"real{number}"))
    for number in range(10_000):
        cache.put_missing(("default", f"made-up{number}"), 0.0)
    assert cache.missing_count == 50
    assert len(cache) == 100
    assert cache.evictions == 0
    assert cache.is_missing(("default", "made-up9999"), 0.0)
    assert not cache.is_missing(("default", "made-up0"), 0.0)


def test_an_unknown_id_is_forgotten_after_its_time() -> None:
    cache = Cache(entries=10, missing_s=3.0)
    cache.put_missing(("default", "x"), 100.0)
    assert cache.is_missing(("default", "x"), 102.9)
    assert not cache.is_missing(("default", "x"), 103.0)
    assert cache.missing_count == 0


def test_known_and_unknown_exclude_each_other() -> None:
    cache = Cache(entries=10)
    cache.put_missing(("default", "x"), 0.0)
    cache.put(client("x"))
    assert not cache.is_missing(("default", "x"), 0.0)
    cache.put_missing(("default", "x"), 0.0)
    assert cache.get(("default", "x")) is None


def test_r25_evicting_forgets_that_an_id_is_unknown_too() -> None:
    cache = Cache(entries=10)
    cache.put_missing(("default", "x"), 0.0)
    cache.evict(("default", "x"))
    assert not cache.is_missing(("default", "x"), 0.0)
    cache.put(client("y"))
    cache.put_missing(("default", "x"), 0.0)
    cache.clear()
    assert (len(cache), cache.missing_count) == (0, 0)


def test_l1_is_bounded_in_octets_too() -> None:
    cache = Cache(entries=1000, octets=20_000)
    for number in range(1000):
        cache.put(client(f"dev{number}"))
    assert 20 < len(cache) < 100
    assert cache.octets <= 20_000
    assert cache.evictions == 1000 - len(cache)
    assert cache.get(("default", "dev999")) is not None


def test_what_is_used_often_stays_whoever_answers() -> None:
    """The few that are kept as objects are answered without the table; it must not take them for unused."""
    cache = Cache(entries=64)
    for number in range(64):
        cache.put(client(f"dev{number}"))
    for number in range(64, 1000):
        assert cache.get(("default", "dev7")) == client("dev7")
        cache.put(client(f"dev{number}"))
    assert len(cache) == 64
    assert cache.get(("default", "dev7")) is not None


def test_a_client_that_changed_is_not_answered_as_it_was() -> None:
    cache = Cache(entries=100)
    cache.put(client("a"))
    assert cache.get(("default", "a")) == client("a")
    changed = structs.replace(client("a"), status=Status.REVOKED)
    cache.put(changed)
    assert cache.get(("default", "a")) == changed
    cache.evict(("default", "a"))
    assert cache.get(("default", "a")) is None


def test_everything_about_a_client_is_remembered() -> None:
    certificate = Certificate("ab" * 32, bytes(range(256)), "cd" * 32, KeyType.RSA, 2048, 1, 2, 3, b"\x00issued")
    whole = Client("r", "id~=._-", Status.PENDING, (certificate, certificate), False, (("k", "ü\n"),), "t")
    cache = Cache(entries=1)
    cache.put(whole)
    assert cache.get(("r", "id~=._-")) == whole
