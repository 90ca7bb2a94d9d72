"""`wfm-gateway explain`: what the gateway sees in one captured request, and what to change."""

import contextlib
import io
import re
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gateway.reasons import ConfigError, Reason

if TYPE_CHECKING:
    from gateway._native import Head
    from gateway.config import Config
    from gateway.explain.capture import Capture
    from gateway.explain.lookup import Lookup
    from gateway.explain.report import Report
    from gateway.model import Peer

_EPILOG: Final = """\
\b
Examples:
  wfm-gateway explain request.txt --cert device.pem --public-url https://wfm.example.com
  curl -v ... 2>&1 | wfm-gateway explain - -c gateway.toml --body report.json --now created
  wfm-gateway explain request.txt --cert device.pem --base-only | diff - base-of-the-device.txt
  wfm-gateway explain --keyid-of device.pem
\b
Exit status: 0 the gateway would accept the request, 1 it would refuse it, 2 the command cannot be carried out.
"""


@click.command("explain", epilog=_EPILOG, short_help="Tell why a captured request is accepted or refused.")
@click.argument("request_file", required=False, metavar="[REQUEST_FILE|-]")
@click.option("--cert", "cert_file", metavar="FILE", help="The device's certificate: PEM, DER, or base64 of either.")
@click.option("--store", "store_url", metavar="URL", help="Look the client up in this store; it is only read.")
@click.option("-c", "--config", "config_file", metavar="FILE", help="The gateway's configuration, its store included.")
@click.option("--id", "client_id", metavar="ID", help="Judge with the certificates of this client of the store.")
@click.option(
    "--public-url", metavar="URL", help="What devices call. Default: the configuration's, else https and Host."
)
@click.option("--profile", type=click.Choice(["margo", "generic"]), help="Route table; generic takes any path here.")
@click.option("--base-path", metavar="PATH", help="Prefix before /api/v1.")
@click.option("--body", "body_file", metavar="FILE", help="The body, if it is not in the capture octet for octet.")
@click.option(
    "--now", "moment", metavar="TIME", help="Seconds since 1970, an ISO 8601 time, or `created`: as if just signed."
)
@click.option("--peer", metavar="ADDRESS", help="Who connected. Default: the first trusted proxy, if there are any.")
@click.option(
    "--try-host", "try_hosts", multiple=True, metavar="HOST", help="Another host that devices may have signed."
)
@click.option(
    "--scan",
    type=click.IntRange(0, 1_000_000),
    default=1000,
    show_default=True,
    help="How many other clients' keys to try when the signature is not this client's.",
)
@click.option("--base-only", is_flag=True, help="Write the exact octets of the signature base, and nothing else.")
@click.option("--json", "as_json", is_flag=True, help="Everything as one JSON object.")
@click.option("--keyid-of", metavar="CERT", help="Print the keyid of a certificate: hex SHA-256 of its SPKI.")
def command(request_file: str | None, keyid_of: str | None, **options: Any) -> None:
    """Tell step by step what the gateway sees in one request, and what to change on the device or in front of it.

    REQUEST_FILE is the raw request as captured; logs of `curl -v`, LF line ends and the like are read too. Nothing is
    sent anywhere and nothing is written to the store.
    """
    if keyid_of is not None:
        if request_file is not None:
            raise _invalid("--keyid-of needs no request")
        click.echo(_keyid(keyid_of))
        return
    if request_file is None:
        raise _invalid("give a file with the raw request, or - for standard input (see --help)")
    sys.exit(_run(request_file, **options))


def _run(
    request_file: str,
    cert_file: str | None,
    store_url: str | None,
    config_file: str | None,
    client_id: str | None,
    public_url: str | None,
    profile: str | None,
    base_path: str | None,
    body_file: str | None,
    moment: str | None,
    peer: str | None,
    try_hosts: tuple[str, ...],
    scan: int,
    base_only: bool,
    as_json: bool,
) -> int:
    from gateway.explain import capture as captures
    from gateway.explain.explain import Options, explain

    if cert_file is None and store_url is None and config_file is None:
        raise _invalid("give the device's certificate with --cert FILE, or a store with --store URL or -c FILE")
    if store_url is not None and config_file is not None:
        raise _invalid("give either --store URL or -c FILE, not both")
    if client_id is not None and cert_file is not None:
        raise _invalid("--id names a client of a store; with --cert the id of the path is taken")
    capture = captures.read(_read(request_file), _read(body_file) if body_file is not None else None)
    notes: list[str] = []
    config, origin = _config(capture, config_file, store_url, public_url, profile, base_path, notes)
    options = Options(now_s=_moment(moment), system_s=time.time(), try_hosts=try_hosts, scan=scan, origin_source=origin)
    with _lookup(config, cert_file, client_id, notes) as lookup:
        report = explain(capture, config, _peer(config, capture, peer, notes), lookup, options)
    _show(report, tuple(notes), base_only, as_json)
    return 0 if report.verdict.accepted else 1


def _show(report: "Report", notes: tuple[str, ...], base_only: bool, as_json: bool) -> None:
    import msgspec

    report = msgspec.structs.replace(report, notes=report.notes + notes)
    if base_only:
        if report.base is None:
            why = report.verdict.reason.value if report.verdict.reason is not None else "the route is open"
            click.echo(f"wfm-gateway: there is no signature base ({why})", err=True)
        else:
            click.echo(report.base, nl=False)
    elif as_json:
        import json

        from gateway.explain.as_json import encode

        click.echo(json.dumps(encode(report), indent=2))
    else:
        from rich.console import Console

        from gateway.explain.render import render

        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show a sign still shows the rest
        render(report, Console(highlight=False, soft_wrap=False, emoji=False, markup=False))


def _keyid(path: str) -> str:
    from gateway.registry.certificates import read_certificate, spki_sha256

    certificate, _ = read_certificate(_read(path), path)
    return spki_sha256(certificate)


def _read(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(Reason.CONFIG_UNREADABLE, f"{path} cannot be read: {error.strerror}") from error


def _moment(text: str | None) -> float | None:
    """None for `created`."""
    if text is None:
        return time.time()
    if text == "created":
        return None
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]+)?", text):
        return float(text)
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise _invalid(f"--now {text!r} is neither seconds since 1970, nor an ISO 8601 time, nor `created`") from None
    return (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp()


def _config(
    capture: "Capture",
    config_file: str | None,
    store_url: str | None,
    public_url: str | None,
    profile: str | None,
    base_path: str | None,
    notes: list[str],
) -> tuple["Config", str]:
    """The configuration of the file with what the flags say in its place, or one made of the flags alone; and where the
    scheme and authority come from, if not from the file."""
    import tomllib

    from gateway.config.load import load, settle
    from gateway.config.mistake import Mistake

    document: dict[str, Any] = {"upstream": {"url": "http://127.0.0.1"}}
    base = Path.cwd()
    if config_file is not None:
        load(Path(config_file))  # for its sentences, which name the file
        document = tomllib.loads(Path(config_file).read_text())
        base = Path(config_file).absolute().parent
    policy = document.setdefault("policy", {})
    if base_path is not None:
        policy["base_path"] = base_path
    if profile is not None:
        policy["profile"] = profile
    if policy.get("profile") == "generic" and not document.get("route"):
        policy["keyid"] = "client-id"
        document["route"] = [{"path": "/**", "client_id": "keyid"}]
        notes.append("profile generic without routes: every path is taken, and the client id is the keyid")
    elif policy.get("profile") == "margo":
        document.pop("route", None)
    if store_url is not None:
        document["store"] = {"url": store_url}
    listen = document.setdefault("listen", {})
    origin = ""
    if public_url is not None:
        listen["public_url"] = public_url
        origin = "--public-url"
    elif not listen.get("public_url") and not listen.get("trusted_proxies"):
        listen["public_url"] = _assumed_url(capture)
        origin = "the Host that was received (assumed; give --public-url)"
    try:
        return settle(document, base, config_file or ""), origin
    except Mistake as mistake:
        flags = {"listen.public_url": "--public-url", "policy.base_path": "--base-path", "store.url": "--store"}
        name = mistake.key if config_file is not None else flags.get(mistake.key, mistake.key)
        raise ConfigError(mistake.reason, f"{name}: {mistake.sentence}") from None


def _assumed_url(capture: "Capture") -> str:
    """https and the Host of the request; a name that cannot be one if there is none."""
    from gateway._native import Refused, parse_head

    try:
        head: Head = parse_head(capture.head)
    except Refused:
        return "https://unknown.invalid"
    scheme = "http" if head.target.lower().startswith(b"http://") else "https"
    return f"{scheme}://{head.host.decode('ascii') or 'unknown.invalid'}"


def _peer(config: "Config", capture: "Capture", given: str | None, notes: list[str]) -> "Peer":
    """Who connected: as given, else a trusted proxy, since forwarded fields count from such a one only (R6)."""
    from gateway.model import Peer

    if given is not None:
        return Peer("" if given == "unix" else given)
    if config.listen.trusts_unix:
        return Peer("")
    networks = config.listen.networks
    if networks and re.search(rb"^(?:x-)?forwarded(?:-\w+)?:", capture.head, re.IGNORECASE | re.MULTILINE):
        address = str(networks[0].network_address)
        notes.append(f"assumed that the request came from the trusted proxy {address}: --peer says otherwise")
        return Peer(address)
    return Peer("127.0.0.1" if not networks else str(networks[0].network_address))


@contextlib.contextmanager
def _lookup(config: "Config", cert_file: str | None, client_id: str | None, notes: list[str]) -> "Iterator[Lookup]":
    if cert_file is not None:
        from gateway.cli.explain_subject import subject_of
        from gateway.explain.lookup import OneCertificate
        from gateway.registry.certificates import describe, read_certificate

        certificate, der = read_certificate(_read(cert_file), cert_file)
        yield OneCertificate(describe(der, cert_file), cert_file, subject_of(certificate))
        return
    from gateway.cli.explain_store import open_store

    with open_store(config, client_id) as lookup:
        if client_id is not None:
            notes.append(f"judged with the certificates of client {client_id}, whatever the path says")
        yield lookup


def _invalid(sentence: str) -> ConfigError:
    return ConfigError(Reason.CONFIG_INVALID, sentence)
