"""Lists of devices, row by row: what each form holds, and that a bad row is told with its line and ends nothing."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.reasons import ConfigError, Reason
from gateway.registry.rows import AnyRow, BadRow, Row, read


def rows(path: Path) -> list[AnyRow]:
    found = read(path)
    taken = list(found.rows)
    assert all(before.end <= after.end for before, after in pairwise(taken))
    assert not taken or taken[-1].end == found.total
    return taken


def good(found: list[AnyRow]) -> list[Row]:
    return [row for row in found if isinstance(row, Row)]


def bad(found: list[AnyRow]) -> list[tuple[int, str, str]]:
    return [(row.line, row.client_id, row.why) for row in found if isinstance(row, BadRow)]


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "list"
    lines = [
        {"id": "a", "certificate": "A"},
        {"id": "b", "certificate": "B", "tenant": "plant-7", "labels": {"line": "3"}, "realm": "r"},
        {"id": "c", "certificate": "C", "require_covered_digest": False},
    ]
    path.write_text("\ufeff" + "\n\n".join(map(json.dumps, lines)))
    first, second, third = good(rows(path))
    assert (first.client_id, first.certificate, first.line, first.tenant, first.labels) == ("a", b"A", 1, None, None)
    assert (second.line, second.tenant, second.labels, second.realm) == (3, "plant-7", {"line": "3"}, "r")
    assert (third.line, third.require_covered_digest) == (5, False)


def test_a_bad_line_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    wrong = [
        '{"id": "a", "certificate": "A"',
        '{"id": "b"}',
        '{"id": "c", "certificate": 7}',
        '{"id": "d", "certificate": "D", "tennant": "x"}',
        '{"id": "e", "certificate": "E", "tenant": "a b"}',
        '{"id": "f", "certificate": "F", "labels": {"a b": "c"}}',
        '{"id": "g", "certificate": "G", "labels": {"a": "\\u001b"}}',
        '{"id": "h", "certificate": "' + "H" * 140_000 + '"}',
        "[1]",
    ]
    path.write_text("\n".join([*wrong, '{"id": "z", "certificate": "Z"}']))
    found = rows(path)
    assert [row.client_id for row in good(found)] == ["z"]
    assert good(found)[0].line == 10
    told = bad(found)
    assert [(line, name) for line, name, _ in told] == [
        (1, ""),
        (2, "b"),
        (3, "c"),
        (4, "d"),
        (5, "e"),
        (6, "f"),
        (7, "g"),
        (8, ""),
        (9, ""),
    ]
    for (_, _, why), part in zip(
        told,
        ("truncated", "certificate", "certificate", "tennant", "tenant", "label", "label a", "too long", "object"),
        strict=True,
    ):
        assert part in why


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(
        b"\xef\xbb\xbfid, Certificate ,tenant,labels,require_covered_digest\r\n"
        b'a,"-----BEGIN\r\nCERT",plant-7,site=north;line=3,\r\n'
        b"\r\n"
        b" b ,QUJD,,,False\r\n"
    )
    first, second = good(rows(path))
    assert (first.client_id, first.line, first.tenant) == ("a", 2, "plant-7")
    assert first.certificate == b"-----BEGIN\r\nCERT"
    assert (first.labels, first.require_covered_digest) == ({"site": "north", "line": "3"}, None)
    assert (second.client_id, second.line, second.tenant, second.labels) == ("b", 5, None, None)
    assert second.require_covered_digest is False


def test_a_bad_csv_row_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(
        'id,certificate,labels,require_covered_digest\na,A\nb,B,nothing,\nc,C,,maybe\nd,"D"x,,\ne,E,k=1;k=2,\nz,Z,,\n'
    )
    found = rows(path)
    assert [row.client_id for row in good(found)] == ["z"]
    assert [(line, name) for line, name, _ in bad(found)] == [(2, "a"), (3, "b"), (4, "c"), (5, ""), (6, "e")]
    assert "2 columns, not 4" in bad(found)[0][2]


def test_a_folder(tmp_path: Path) -> None:
    for name, data in (("b.pem", "B"), ("a.CRT", "A"), ("notes.txt", "-")):
        (tmp_path / name).write_text(data)
    found = read(tmp_path)
    assert (found.total, found.ignored) == (2, 1)
    assert [(row.client_id, row.file, row.certificate) for row in good(list(found.rows))] == [
        ("a", "a.CRT", b"A"),
        ("b", "b.pem", b"B"),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("[{}]", "JSON array"),
        ("id,cert\n", "'cert'"),
        ("id\n", "header"),
        ("id,certificate,id\n", "header"),
        ("-----BEGIN CERTIFICATE-----\n", "header"),
    ],
)
def test_what_is_no_list(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "list"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says) as caught:
        read(path)
    assert caught.value.reason is Reason.CONFIG_UNREADABLE


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path / "nothing")
    with pytest.raises(ConfigError, match=r"holds no ID\.pem"):
        read(tmp_path)
