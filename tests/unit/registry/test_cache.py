"""L1: bounded, least recently used out first, unknown ids apart and short-lived."""

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


def test_strings_that_many_clients_share_are_kept_once() -> None:
    cache = Cache(entries=10)
    cache.put(client("a", "".join(["re", "alm"])))
    cache.put(client("b", "".join(["re", "alm"])))
    a, b = cache.get(("realm", "a")), cache.get(("realm", "b"))
    assert a is not None
    assert b is not None
    assert a.realm is b.realm
    assert a.labels[0][1] is b.labels[0][1]
