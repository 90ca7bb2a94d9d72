"""The table of L1 against an ordered dictionary, over thousands of operations."""

import random
from collections import OrderedDict

import pytest

from gateway._native import PackedTable


@pytest.mark.parametrize("seed", range(20))
def test_it_does_what_an_ordered_dictionary_does(seed: int) -> None:
    chance = random.Random(seed)
    table, plain = PackedTable(), OrderedDict[bytes, bytes]()
    for _ in range(3000):
        key = b"key%d" % chance.randrange(300)
        match chance.randrange(8):
            case 0 | 1 | 2:
                value = chance.randbytes(chance.randrange(600))
                table.put(key, value)
                plain[key] = value
                plain.move_to_end(key)
            case 3 | 4 | 5:
                assert table.get(key) == plain.get(key)
                if key in plain:
                    plain.move_to_end(key)
            case 6:
                assert table.remove(key) == (plain.pop(key, None) is not None)
            case _ if chance.randrange(100) == 0:
                table.clear()
                plain.clear()
        assert len(table) == len(plain)
        assert table.oldest_key() == next(iter(plain), None)
    for key, value in plain.items():
        assert table.get(key) == value


def test_its_octets_are_those_of_its_entries() -> None:
    table = PackedTable()
    empty = table.octets
    for number in range(50):
        table.put(b"%d" % number, bytes(1000))
    assert empty + 50 * 1000 < table.octets < empty + 50 * 1100
    for number in range(50):
        table.remove(b"%d" % number)
    assert (len(table), table.octets) == (0, empty)
    assert table.oldest_key() is None


def test_what_is_too_long_is_refused() -> None:
    table = PackedTable()
    with pytest.raises(ValueError, match="65,535"):
        table.put(bytes(65_536), b"")
    assert len(table) == 0
    table.put(bytes(65_535), b"x")
    assert table.get(bytes(65_535)) == b"x"
