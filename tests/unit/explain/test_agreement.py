"""The verdict of an explanation is the pipeline's, for every mistake that the hints know, and for mutilated requests."""

import io
import json
import random
import re
from typing import Any

import pytest
from rich.console import Console

from gateway._native import Refused, parse_head
from gateway.explain.as_json import encode
from gateway.explain.form import Parts, take_apart
from gateway.explain.render import render
from gateway.explain.report import Mark, Report
from tests.support.device import Device
from tests.support.drive import World
from tests.unit.explain.making import NOW_S, explained, make
from tests.unit.explain.test_other_hints import BODIES
from tests.unit.explain.test_signature_hints import MISTAKES, QUERY, prepared
from tests.unit.explain.test_url_hints import CHANGES

P256 = Device()
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_STYLE = re.compile(r"\x1b\[[0-9;]*m")

FAMILY = {
    "request": {"head", "route", "origin"},
    "signature": {"signatures", "components", "policy", "signature", "base"},
    "digest": {"digest", "components"},
    "key": {"key"},
    "policy": {"policy", "components"},
}
"""Which steps may be to blame for a reason of a family."""


def judged(raw: bytes, device: Device) -> Any:
    world = World()
    world.clock.time = float(NOW_S)
    world.know(device.client())
    head, _, body = raw.partition(b"\r\n\r\n")
    try:
        parsed = parse_head(head + b"\r\n\r\n")
    except Refused as refused:
        return refused.reason
    return world.reason(parsed, body)


def agree(raw: bytes, device: Device) -> None:
    report = explained(raw, device)
    assert report.verdict.reason == judged(raw, device)
    reason = report.verdict.reason
    if reason is not None:
        family = FAMILY[reason.partition(".")[0]]
        assert any(step.mark is Mark.FAIL and step.name in family for step in report.steps)
    else:
        assert not any(step.mark is Mark.FAIL for step in report.steps)


@pytest.mark.parametrize(
    ("code", "device", "wrong"), MISTAKES, ids=[f"{at}-{case[0]}" for at, case in enumerate(MISTAKES)]
)
def test_signatures(code: str, device: Device, wrong: dict[str, Any]) -> None:
    agree(prepared(code, device, wrong), device)


@pytest.mark.parametrize(("code", "wrong"), CHANGES)
def test_urls(code: str, wrong: dict[str, Any]) -> None:
    agree(make(P256, **wrong), P256)


@pytest.mark.parametrize(("code", "body", "digest"), BODIES)
def test_bodies(code: str, body: bytes, digest: str) -> None:
    agree(make(P256, body=body, digest=digest), P256)


@pytest.mark.parametrize("created", [NOW_S - 10_000, NOW_S + 10_000, NOW_S])
def test_clocks(created: int) -> None:
    agree(make(P256, created=str(created)), P256)


@pytest.mark.parametrize(
    "target", [QUERY, "/nowhere", "/api/v1/../x", "/api/v1/auth/token", "/api/v1/clients/é/deployments"]
)
def test_paths(target: str) -> None:
    agree(make(P256, target=target), P256)


def test_the_form_of_a_base_is_the_base() -> None:
    """What the search changes is what the gateway computes, octet for octet."""
    components = (
        "@method",
        "@target-uri",
        "@authority",
        "@scheme",
        "@request-target",
        "@path",
        "@query",
        "host",
        "content-digest",
        "x-a",
    )
    raw = make(P256, target=QUERY, components=components, fields=["X-A: b: c", "X-A:   d"])
    report = explained(raw, P256)
    assert report.base is not None
    path, mark, query = QUERY.partition("?")
    host = b"wfm.example.com"
    parts = Parts(b"POST", b"https", host, host, path.encode(), (mark + query).encode(), QUERY.encode())
    form = take_apart(report.base, parts)
    assert form is not None
    assert form.octets() == report.base
    assert sum(line.value is None for line in form.lines) == 8


def test_identifiers_with_parameters_are_taken_apart_too() -> None:
    identifiers = '"@query-param";name="a: b" "content-digest";sf "x";bs "y";key="k\\";z"'
    base = b"\n".join(identifier.encode() + b": v" for identifier in (
        '"@query-param";name="a: b"', '"content-digest";sf', '"x";bs', '"y";key="k\\";z"'
    )) + f'\n"@signature-params": ({identifiers});created=1'.encode()  # fmt: skip
    parts = Parts(b"GET", b"https", b"h", b"h", b"/", b"", b"/")
    form = take_apart(base, parts)
    assert form is not None
    assert [line.value for line in form.lines] == [b"v"] * 4


def shown(report: Report, width: int = 100) -> str:
    output = io.StringIO()
    render(report, Console(file=output, width=width, force_terminal=True, color_system="truecolor"))
    return _STYLE.sub("", output.getvalue())


def mutilated(seed: int) -> tuple[bytes, Device]:
    chance = random.Random(seed)
    code, device, wrong = chance.choice(MISTAKES)
    raw = bytearray(prepared(code, device, wrong))
    for _ in range(chance.choice([1, 2, 4, 12])):
        at = chance.randrange(len(raw) + 1)
        match chance.randrange(5):
            case 0 if at < len(raw):
                raw[at] = chance.randrange(256)
            case 1:
                del raw[at : at + chance.randrange(20)]
            case 2:
                raw[at:at] = bytes([chance.choice(b'"\\;=:,() \r\n\t%@A>[]/\x00\x1b\x9b\xff')])
            case 3:
                begin = chance.randrange(len(raw) + 1)
                raw[at:at] = raw[begin : begin + chance.randrange(60)]
            case _:
                raw = raw[:at] if chance.random() < 0.3 and at else raw
    return bytes(raw), device


@pytest.mark.parametrize("seed", range(60))
def test_whatever_comes_is_explained_and_harmless_to_show(seed: int) -> None:
    """R29: nothing that a device sends reaches the terminal as anything but visible text."""
    raw, device = mutilated(seed)
    report = explained(raw, device)
    assert _CONTROL.search(shown(report)) is None
    assert _CONTROL.search(json.dumps(encode(report), ensure_ascii=False)) is None
    assert report.verdict.accepted == (report.verdict.reason is None)


HOSTILE = b"\xe2\x80\xae[bold red]x[/bold red]\xff<script>"


@pytest.mark.parametrize(
    "raw",
    [
        make(P256).replace(b"Content-Length", b"X-Forwarded-Host: " + HOSTILE + b"\r\nContent-Length"),
        make(P256).replace(b"dev-1/deployments", HOSTILE + b"/deployments"),
        make(P256).replace(b"Signature-Input: ", b"Signature-Input: " + HOSTILE),
        make(P256).replace(b"sha-256=:", b"sha-256=:" + HOSTILE),
        HOSTILE + make(P256),
        b"> " + make(P256).replace(b"\r\n", b"\r\n> " + HOSTILE),
    ],
)
def test_hostile_text_is_escaped(raw: bytes) -> None:
    """R29: no direction override, no octet outside of ASCII, and brackets stay brackets."""
    text = shown(explained(raw, P256), width=2000)
    assert chr(0x202E) not in text
    assert "\N{REPLACEMENT CHARACTER}" not in text
    assert "\\xe2\\x80\\xae[bold red]x[/bold red]\\xff" in text


def test_markup_is_shown_as_it_came() -> None:
    assert "[link=http://evil]x[/link]" in shown(explained(make(P256, keyid="[link=http://evil]x[/link]"), P256))


def test_a_terminal_without_these_signs_gets_plain_ones() -> None:
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding="ascii", errors="replace"), width=100)
    render(explained(make(P256, created="1700000000"), P256), console)
    console.file.flush()
    assert b"NO Policy" in raw.getvalue()
    assert b" ok Head" in raw.getvalue()


def test_the_base_is_printed_line_by_line_and_never_folded() -> None:
    report = explained(make(P256), P256)
    assert report.base is not None
    assert report.base.decode() in shown(report, width=40)


def test_json_has_everything() -> None:
    found = encode(explained(make(P256, signed={"@method": "post"}), P256))
    assert found["accepted"] is False
    assert found["reason"] == "signature.wrong"
    assert found["status"] == 401
    assert [step["name"] for step in found["steps"]] == [
        "head", "route", "origin", "signatures", "components", "policy", "key", "base", "signature", "digest", "replay", "verdict",
    ]  # fmt: skip
    assert found["hints"][0]["code"] == "method-case"
    assert found["base"]["octets"] == len(found["base"]["text"])
    assert found["signedBase"]["text"] == found["base"]["text"].replace("POST", "post")
