"""`wfm-gateway demo`: a whole fleet on one machine, with good and bad traffic, every verdict checked."""

import sys
from pathlib import Path

import click

_EPILOG = """\b
Examples:
  wfm-gateway demo
  wfm-gateway demo --devices 500 --rate 500 --duration 60 --bad 0.5
  wfm-gateway demo --json
  wfm-gateway demo --keep ./demo --duration 3600
"""


@click.command(epilog=_EPILOG, short_help="Start a whole small fleet and check every verdict.")
@click.option("--devices", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many devices.")
@click.option("--duration", type=click.FloatRange(0.1), default=15, show_default=True, help="Seconds of traffic.")
@click.option("--rate", type=click.FloatRange(0.1), default=200, show_default=True, help="Requests per second.")
@click.option("--bad", type=click.FloatRange(0, 1), default=0.2, show_default=True, help="Share of bad traffic.")
@click.option(
    "--workers", type=click.IntRange(1, 1024), help="Worker processes of the gateway.  [default: one per core]"
)
@click.option("--keep", type=click.Path(path_type=Path), metavar="DIR", help="Keep keys, certificates, store and logs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object in the end, and nothing else.")
def command(
    devices: int, duration: float, rate: float, bad: float, workers: int | None, keep: Path | None, as_json: bool
) -> None:
    """Start an embedded Valkey, a demo WFM and the gateway; send signed traffic, good and bad, at a fixed rate.

    Needs nothing but this program. The devices have keys of every algorithm and send status reports, polls, capability
    reports and downloads; the bad share is tampered, stale, replayed, signed by the wrong key, and so on. A quarter of
    the devices (25 at most) are unknown at first and onboard; one of these rotates its certificate, one is revoked. The
    exit status is 0 if every verdict was the expected one. Ctrl-C ends the traffic and shows the summary.
    """
    import json

    from rich.console import Console

    from gateway.demo.run import Settings, run
    from gateway.demo.screen import Screen

    settings = Settings(devices=devices, duration_s=duration, rate_per_s=rate, bad=bad, workers=workers, keep=keep)
    summary = run(settings, Screen(Console(), quiet=as_json))
    if as_json:
        click.echo(json.dumps(summary.document(), indent=2))
    if not summary.good:
        sys.exit(1)
