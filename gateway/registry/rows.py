"""Reads lists of devices row by row: JSON lines, CSV, or a folder of certificates. A bad row never ends the reading."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from gateway.reasons import ConfigError, Reason
from gateway.registry.certificates import SIZE_LIMIT_BYTES
from gateway.registry.labels import mistake

SUFFIXES: Final = frozenset({".pem", ".crt", ".cer", ".der"})
_COLUMNS: Final = ("id", "certificate", "tenant", "labels", "realm", "require_covered_digest")
_LINE_LIMIT_BYTES: Final = 2 * SIZE_LIMIT_BYTES


class Row(msgspec.Struct, frozen=True):
    """One device as the list has it. It stands at `line` (from 1), or in `file`; `end` tells how far in the list that
    is, in octets, or in files of a folder."""

    client_id: str
    certificate: bytes
    end: int
    line: int = 0
    file: str = ""
    tenant: str | None = None
    labels: dict[str, str] | None = None
    require_covered_digest: bool | None = None
    realm: str | None = None


class BadRow(msgspec.Struct, frozen=True):
    """A row that cannot be read, and why."""

    why: str
    end: int
    client_id: str = ""
    line: int = 0
    file: str = ""


AnyRow: TypeAlias = Row | BadRow


class Rows(msgspec.Struct, frozen=True):
    """The rows of one list, to be read once; `total` is where the last one ends, `ignored` counts other files."""

    rows: Iterator[AnyRow]
    total: int
    ignored: int = 0


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    certificate: str
    tenant: str | None = None
    labels: dict[str, str] | None = None
    realm: str | None = None
    require_covered_digest: bool | None = None


_decoder: Final = msgspec.json.Decoder(_Line)


def read(path: Path) -> Rows:
    """The rows of a folder of ID.pem (.crt, .cer, .der) files, of JSON lines, or of CSV with a header.

    :raises ConfigError: config.unreadable for a file that cannot be read, or whose header is not one
    """
    try:
        if path.is_dir():
            return _folder(path)
        with path.open("rb") as file:
            start = file.read(1 << 16).removeprefix(b"\xef\xbb\xbf").lstrip()
        total = path.stat().st_size
    except OSError as error:
        raise _unreadable(f"{path} cannot be read: {error.strerror}") from error
    if not start:
        raise _unreadable(f"{path} is empty")
    if start[:1] == b"{":
        return Rows(_json_lines(path), total)
    if start[:1] == b"[":
        raise _unreadable(f"{path} is a JSON array: give one object a line, without brackets and commas")
    return Rows(_csv(path, _header(path)), total)


def _folder(path: Path) -> Rows:
    found = sorted(entry for entry in path.iterdir() if entry.is_file())
    files = [entry for entry in found if entry.suffix.lower() in SUFFIXES]
    if not files:
        raise _unreadable(f"{path} holds no ID.pem (or .crt, .cer, .der) file")
    return Rows(_files(files), len(files), len(found) - len(files))


def _files(files: list[Path]) -> Iterator[AnyRow]:
    for number, path in enumerate(files, 1):
        try:
            with path.open("rb") as file:
                data = file.read(SIZE_LIMIT_BYTES + 1)
        except OSError as error:
            yield BadRow(f"cannot be read: {error.strerror}", number, path.stem, file=path.name)
        else:
            yield Row(path.stem, data, number, file=path.name)


def _json_lines(path: Path) -> Iterator[AnyRow]:
    end = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            end += len(line)
            text = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
            if not text:
                continue
            if len(text) > _LINE_LIMIT_BYTES:
                yield BadRow("the line is too long", end, line=number)
                continue
            try:
                found = _decoder.decode(text)
                yield _row(found, number, end)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                yield BadRow(f"not an object as it should be: {error}", end, _id_in(text), line=number)


def _id_in(text: bytes) -> str:
    """The id of a row that is wrong otherwise, so that it can be found."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    named = found.get("id") if isinstance(found, dict) else None
    return named if isinstance(named, str) else ""


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        try:
            names = [name.strip().lower() for name in next(csv.reader(file), [])]
        except csv.Error as error:
            raise _unreadable(f"{path} is neither JSON lines nor CSV: {error}") from error
    unknown = [name for name in names if name not in _COLUMNS]
    if unknown or len(set(names)) != len(names) or not {"id", "certificate"} <= set(names):
        raise _unreadable(
            f"{path} does not begin with a CSV header of id, certificate and, as needed, {', '.join(_COLUMNS[2:])}"
            + (f" (found {unknown[0][:60]!r})" if unknown else "")
        )
    return names


def _csv(path: Path, names: list[str]) -> Iterator[AnyRow]:
    end = 0

    def lines() -> Iterator[str]:
        nonlocal end
        with path.open("rb") as file:
            for line in file:
                end += len(line)
                yield line.decode(errors="replace")

    reader = csv.reader(lines(), strict=True)
    next(reader)
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadRow(f"not CSV: {error}", end, line=number)
            continue
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(names):
            yield BadRow(f"has {len(cells)} columns, not {len(names)}", end, cells[0].strip(), line=number)
            continue
        found = dict(zip(names, cells, strict=True))
        try:
            yield _row(_from_cells(found), number, end)
        except ValueError as error:
            yield BadRow(str(error), end, found["id"].strip(), line=number)


def _from_cells(found: dict[str, str]) -> _Line:
    covered = found.get("require_covered_digest", "").strip().lower()
    if covered not in ("", "true", "false"):
        raise ValueError("require_covered_digest is neither true nor false")
    return _Line(
        id=found["id"].strip(),
        certificate=found["certificate"],
        tenant=found.get("tenant", "").strip() or None,
        labels=_labels(found.get("labels", "").strip()),
        realm=found.get("realm", "").strip() or None,
        require_covered_digest=None if not covered else covered == "true",
    )


def _labels(text: str) -> dict[str, str] | None:
    """`site=north;line=3`; nothing at all leaves the labels that the client has."""
    if not text:
        return None
    labels: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if not equals or name.strip() in labels:
            raise ValueError("labels are not of the form name=value;name=value")
        labels[name.strip()] = value.strip()
    return labels


def _row(found: _Line, number: int, end: int) -> AnyRow:
    wrong = mistake(found.tenant, found.labels)
    if wrong:
        return BadRow(wrong, end, found.id, line=number)
    return Row(
        found.id,
        found.certificate.encode(errors="replace"),
        end,
        line=number,
        tenant=found.tenant,
        labels=found.labels,
        require_covered_digest=found.require_covered_digest,
        realm=found.realm,
    )


def _unreadable(message: str) -> ConfigError:
    return ConfigError(Reason.CONFIG_UNREADABLE, message)
