"""The demo from begin to end: make a fleet, start everything, send traffic, check every verdict, stop everything."""

import asyncio
import contextlib
import datetime
import random
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from gateway.demo import fleet_plan, installation
from gateway.demo.device import Device
from gateway.demo.installation import PUBLIC_URL, Installation
from gateway.demo.lives import Lives
from gateway.demo.load import Load
from gateway.demo.pki import Authority, Identity, issue_all, make_authority
from gateway.demo.screen import REFRESH_S, Screen
from gateway.demo.summary import Summary, Told
from gateway.demo.tally import Tally
from gateway.demo.traffic import Traffic
from gateway.signing import load_private_key


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator asked for; `workers` None leaves it to the gateway, `keep` None to a folder that is removed."""

    devices: int
    duration_s: float
    rate_per_s: float
    bad: float
    workers: int | None = None
    keep: Path | None = None


class Crew(msgspec.Struct, frozen=True):
    """The certificates and keys of the run; `newcomers` are in no registry at first, `thieves` never."""

    authority: Authority
    devices: list[Identity]
    newcomers: list[Identity]
    thieves: list[Identity]


def run(settings: Settings, screen: Screen) -> Summary:
    """Run the demo; Ctrl-C and SIGTERM end the traffic early, not the clearing up.

    :raises ConfigError: something does not start
    """
    with _folder(settings.keep) as folder:
        crew = _enlist(settings.devices, screen)
        if settings.keep is not None:
            fleet_plan.write_files(folder, [*crew.devices, *crew.newcomers])
        (folder / installation.CA_FILE).write_bytes(crew.authority.certificate_pem)
        return asyncio.run(_drive(settings, folder, crew, screen))


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        fleet_plan.take_folder(keep)
        yield keep.absolute()
        return
    folder = Path(tempfile.mkdtemp(prefix="wfm-gateway-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _enlist(count: int, screen: Screen) -> Crew:
    now = datetime.datetime.now(datetime.UTC)
    authority = make_authority("Demo Fleet Root CA", now)
    wanted = fleet_plan.plan(count)
    stolen = fleet_plan.thieves([algorithm for _, algorithm in wanted])
    screen.say(f"Making a CA, and keys and certificates for {count} devices ...")
    made: dict[str, Identity] = {}
    with screen.counting("keys and certificates", len(wanted) + len(stolen)) as counting:
        for chunk in issue_all(authority, [*wanted, *stolen], now):
            made.update((identity.name, identity) for identity in chunk)
            counting.add(len(chunk))
    fleet = [made[name] for name, _ in wanted]
    known = count - fleet_plan.newcomers(count)
    return Crew(authority, fleet[:known], fleet[known:], [made[name] for name, _ in stolen])


async def _drive(settings: Settings, folder: Path, crew: Crew, screen: Screen) -> Summary:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    screen.say("Starting the demo WFM, and the gateway with its embedded store ...")
    async with installation.running(folder, settings.workers) as site:
        await asyncio.to_thread(site.register, crew.devices)
        screen.say(
            f"{len(crew.devices)} certificates are registered, {len(crew.newcomers)} devices are unknown as yet. "
            f"The gateway listens on {site.gateway_url}"
        )
        screen.say(f"Look at it in a browser: {site.dashboard_url}")
        if settings.keep is not None:
            for line in _by_hand(site, crew):
                screen.say(line)
        summary = await _measure(settings, site, crew, screen, stop)
    screen.summarise(summary)
    if settings.keep is not None:
        for line in _again(site):
            screen.say(line)
    return summary


async def _measure(settings: Settings, site: Installation, crew: Crew, screen: Screen, stop: asyncio.Event) -> Summary:
    devices = [
        Device(identity.name, load_private_key(identity.key_pem), identity.algorithm, PUBLIC_URL)
        for identity in crew.devices
    ]
    thieves = {identity.algorithm: load_private_key(identity.key_pem) for identity in crew.thieves}
    tally = Tally()
    traffic = Traffic(devices, thieves, PUBLIC_URL, settings.bad, random.Random())
    load = Load(site.gateway_url, traffic, tally)
    lives = Lives(site, crew.authority, crew.newcomers, traffic, tally, settings.duration_s, screen.say)
    with screen.table():
        watching = asyncio.create_task(_watch(site, screen, tally, stop))
        living = asyncio.create_task(lives.run(stop))
        try:
            sent = await load.run(settings.rate_per_s, settings.duration_s, stop)
            if not sent.kept_up:
                stop.set()
            await living
        finally:
            for task in (watching, living):
                task.cancel()
            await asyncio.wait([watching, living])
    reached = await site.reached()
    trouble = "" if sent.kept_up else "the gateway does not keep up with this rate; try a lower --rate"
    for child, answers in ((site.gateway, True), (site.wfm, reached is not None)):
        if not (child.alive and answers):
            trouble = child.trouble("ended by itself").message
    return Summary(
        devices=len(crew.devices) + len(crew.newcomers),
        asked_rate_per_s=settings.rate_per_s,
        sent_s=sent.seconds,
        interrupted=stop.is_set() and not trouble,
        backend_requests=reached,
        tally=tally,
        told=Told(lives.onboarded, lives.rotated, lives.revoked),
        trouble=trouble,
    )


async def _watch(site: Installation, screen: Screen, tally: Tally, stop: asyncio.Event) -> None:
    """Show how it goes, and end the run if one of the servers does."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    while True:
        await asyncio.sleep(REFRESH_S)
        screen.show(tally, loop.time() - started)
        if not (site.gateway.alive and site.wfm.alive):
            stop.set()


def _by_hand(site: Installation, crew: Crew) -> Iterator[str]:
    device = crew.devices[0].name
    key = site.folder / "devices" / f"{device}.key"
    yield f"Everything is in {site.folder}. While the demo runs, be one of its devices yourself:"
    yield (
        f"  wfm-gateway sign --key {shlex.quote(str(key))} --send {site.gateway_url} "
        f"GET {PUBLIC_URL}/api/v1/clients/{device}/deployments"
    )


def _again(site: Installation) -> Iterator[str]:
    yield "Start it again with:"
    yield f"  {shlex.quote(sys.executable)} -P -m gateway.demo.wfm --listen {site.wfm_url.removeprefix('http://')}"
    yield f"  wfm-gateway serve -c {shlex.quote(str(site.config_file))}"
