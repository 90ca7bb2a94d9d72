"""`wfm-gateway fleet`: a simulated fleet of devices against a gateway that runs."""

import json
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.durations import Duration
from gateway.model import Algorithm
from gateway.reasons import ConfigError, Reason

if TYPE_CHECKING:
    from gateway.demo.pki import Authority
    from gateway.fleet.schedule import Outage

_EPILOG = """\b
Examples:
  wfm-gateway fleet --make ./keys --devices 50000
  wfm-gateway clients import ./keys -c gateway.toml
  wfm-gateway fleet --target http://127.0.0.1:8080 --public-url https://wfm.example.com --keys ./keys \\
      --devices 50000 --interval 15s --ramp 30s --html fleet.html
  wfm-gateway fleet --target https://wfm.example.com --devices 500 --issuer ca.pem ca.key --outage 30s:20s

\b
Exit status: 0 every answer was the one that must be, 1 some were not, 2 the fleet could not begin.
"""


@click.command(epilog=_EPILOG)
@click.option("--target", metavar="URL", help="Scheme, host and port of the gateway, or of the balancer before it.")
@click.option(
    "--public-url", metavar="URL", help="What devices sign, base_path at its end.  [default: the same as --target]"
)
@click.option("--keys", type=click.Path(path_type=Path), metavar="DIR", help="Registered devices: one ID.key each.")
@click.option("--devices", type=click.IntRange(1, 5_000_000), help="How many.  [default: all in --keys, else 100]")
@click.option("--interval", type=Duration(), default="15s", show_default=True, help="How often each device polls.")
@click.option("--ramp", type=Duration(), default="30s", show_default=True, help="How long until all have joined.")
@click.option("--duration", type=Duration(), default="90s", show_default=True, help="How long to send, ramp included.")
@click.option(
    "--report-every", type=click.IntRange(0), default=4, show_default=True, help="Polls per status report; 0: none."
)
@click.option(
    "--bad", type=click.FloatRange(0, 1), default=0.02, show_default=True, help="Share of requests that misbehave."
)
@click.option(
    "--outage",
    metavar="AT:FOR",
    help="At AT nobody is connected for FOR; then all return in one moment, as the reference device does: 60s:30s.",
)
@click.option("--connections", type=click.IntRange(1), default=256, show_default=True, help="At most so many at once.")
@click.option("--signers", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes that sign ahead.")
@click.option(
    "--ahead",
    type=Duration(),
    default="2s",
    show_default=True,
    help="How far ahead of the clock to sign; as long as --duration: all of it before the first request leaves.",
)
@click.option(
    "--alg",
    type=click.Choice([algorithm.value for algorithm in Algorithm]),
    default=Algorithm.ECDSA_P256_SHA256.value,
    show_default=True,
    help="Of new devices.",
)
@click.option(
    "--issuer",
    nargs=2,
    type=click.Path(path_type=Path),
    metavar="CERT KEY",
    help="Authority of new devices.  [default: one made for the run, which nobody trusts]",
)
@click.option("--make", type=click.Path(path_type=Path), metavar="DIR", help="Only make keys and certificates there.")
@click.option("--ca", "ca_file", metavar="FILE", help="Certificates to trust with a target of https.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object in the end, and nothing else.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Also write a report.")
def command(
    target: str | None,
    public_url: str | None,
    keys: Path | None,
    devices: int | None,
    interval: int,
    ramp: int,
    duration: int,
    report_every: int,
    bad: float,
    outage: str | None,
    connections: int,
    signers: int,
    ahead: int,
    alg: str,
    issuer: tuple[Path, Path] | None,
    make: Path | None,
    ca_file: str | None,
    as_json: bool,
    html: Path | None,
) -> None:
    """Simulate a fleet: devices poll with If-None-Match and report status, whatever the gateway does.

    Requests leave when they are due and not when an answer came (open loop): latency runs from that moment, so waiting
    hides nothing. A share misbehaves (wrong key, tampered body, replay, stale, unsigned); each must be refused for the
    right reason, and anything else is a fault. With --keys the devices are those of a folder; without, new ones are
    made and onboard first.
    """
    from rich.console import Console

    from gateway.demo.screen import Screen
    from gateway.fleet import launch
    from gateway.fleet.approach import Site, read_target
    from gateway.fleet.schedule import Pace
    from gateway.report.files import writable
    from gateway.report.machine import machine, versions

    screen = Screen(Console(), quiet=as_json)
    authority = None if issuer is None else _authority(*issuer)
    if make is not None:
        launch.make(make, devices or 100, authority, Algorithm(alg), screen)
        for line in _next_steps(make):
            screen.say(line)
        return
    if target is None:
        raise _invalid("--target URL is missing: the gateway, or the balancer before it")
    if interval < 1:
        raise _invalid("--interval must be 1s or longer")
    if duration < 1:
        raise _invalid("--duration must be 1s or longer")
    if html is not None:
        writable(html, "--html")
    url, origin = target.rstrip("/"), (public_url or target).rstrip("/")
    site = Site(url, read_target(url, origin, ca_file), origin)
    pace = Pace(
        devices=devices or (0 if keys else 100),
        interval_s=interval,
        ramp_s=ramp,
        report_every=report_every,
        bad=bad,
        outage=None if outage is None else _outage(outage, duration),
    )
    facts = {
        "target": url,
        "command": shlex.join(["wfm-gateway", *sys.argv[1:]]),
        "load generator on": machine(),
        "versions": ", ".join(f"{name} {version}" for name, version in versions("uvloop").items()),
    }
    summary = launch.launch(
        launch.Settings(
            site=site,
            pace=pace,
            duration_s=duration,
            keys=keys,
            issuer=authority,
            algorithm=Algorithm(alg),
            connections=connections,
            signers=signers,
            ahead_s=max(ahead, 1),
            facts=facts,
        ),
        screen,
    )
    screen.conclude(summary.outcome.tally, summary.outcome.sent_s, summary.words())
    if html is not None:
        html.write_text(summary.html(), encoding="utf-8")
        screen.say(f"The report is in {html}")
    if as_json:
        click.echo(json.dumps(summary.document(), indent=2))
    if not summary.good:
        sys.exit(1)


def _outage(text: str, duration_s: int) -> "Outage":
    from gateway.fleet.schedule import Outage

    found = re.fullmatch(r"([^:]+):([^:]+)", text)
    if found is None:
        raise _invalid(f"--outage {text!r} is not AT:FOR, such as 60s:30s")
    kind = Duration()
    at_s, for_s = (kind.convert(part, None, None) for part in found.groups())
    if for_s < 1 or at_s + for_s >= duration_s:
        raise _invalid(f"--outage {text} must last at least 1s, and end before --duration does ({duration_s}s)")
    return Outage(at_s, for_s)


def _authority(certificate: Path, key: Path) -> "Authority":
    from gateway.cli.reading import read_certificate_file
    from gateway.demo.pki import Authority, key_pem
    from gateway.registry.certificates import read_certificate
    from gateway.signing import load_private_key

    read_certificate(read_certificate_file(certificate), str(certificate))
    try:
        octets = key.read_bytes()
    except OSError as error:
        raise ConfigError(Reason.CONFIG_UNREADABLE, f"{key} cannot be read: {error.strerror}") from error
    return Authority(key_pem(load_private_key(octets, name=str(key))), certificate.read_bytes())


def _next_steps(folder: Path) -> tuple[str, ...]:
    quoted = shlex.quote(str(folder))
    return (
        f"Keys and certificates are in {folder}. Register the devices, or trust their authority for onboarding:",
        f"  wfm-gateway clients import {quoted} -c gateway.toml",
        f'  [[onboarding.ca]] file = "{folder}/ca/ca.pem"',
    )


def _invalid(sentence: str) -> ConfigError:
    return ConfigError(Reason.CONFIG_INVALID, sentence)
