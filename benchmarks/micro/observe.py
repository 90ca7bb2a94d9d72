"""What it costs to count a request, and to write it down: CPU time of a worker, the log's own thread included."""

import argparse
import os
import time
from collections.abc import Callable
from types import SimpleNamespace

from benchmarks.micro.verify import Case, measure
from benchmarks.record import save
from benchmarks.spread import spread
from gateway._native import Laps, parse_head, select
from gateway.clock import SystemClock
from gateway.config import Config, Listen, Upstream
from gateway.config import Log as LogSection
from gateway.model import Admitted, Algorithm, External, Peer, Refusal, Verified
from gateway.observe.decisions import Decisions
from gateway.observe.log import Log
from gateway.observe.page import Page
from gateway.observe.table import STAGES
from gateway.reasons import Reason

BAR_US = 3.0


class Bench:
    """One verified request at its end, and a worker's page and log. `stages`: marks that are taken on the way."""

    def __init__(self, case: Case, requests: str, descriptor: int) -> None:
        head = parse_head(case.raw())
        candidate = select(head)[0]
        external = External(b"https", (b"wfm.example.com",), "192.0.2.7")
        algorithm = Algorithm.ECDSA_P256_SHA256
        proof = Verified(candidate, case.client, case.certificate, algorithm, b"wfm.example.com", case.base)
        self.step = Admitted(head, external, proof, True, (), (), "status")
        self.connection = SimpleNamespace(connection=SimpleNamespace(peer=Peer("192.0.2.7")))
        config = Config(
            upstream=Upstream(url="http://127.0.0.1:9"),
            listen=Listen(public_url="https://wfm.example.com"),
            log=LogSection(requests=requests),  # type: ignore[arg-type]
        )
        self.log = Log(descriptor)
        self.decisions = Decisions(config, self.log, SystemClock(), Page())

    def ended(self, refusal: Refusal | None = None) -> Callable[[], None]:
        """What a request pays from its first mark to the line that tells of its end."""
        stages = range(len(STAGES))
        request = SimpleNamespace(
            request_id="d81639788f00000003",
            path=self.step.head.path.decode(),
            head=self.step.head,
            incoming=self.connection,
            step=self.step,
            laps=None,
        )

        def run() -> None:
            laps = request.laps = Laps()
            for stage in stages:
                laps.lap(stage)
            if refusal is None:
                self.decisions.passed(request, 200)  # type: ignore[arg-type]
            else:
                self.decisions.refused(request, refusal)  # type: ignore[arg-type]

        return run


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog="example: python -m benchmarks.micro.observe"
    )
    parser.add_argument("--rounds", type=int, default=151, help="rounds that each way takes part in (default 151)")
    parser.add_argument("--calls", type=int, default=500, help="requests per way and round (default 500)")
    arguments = parser.parse_args()
    case = Case()
    descriptor = os.open(os.devnull, os.O_WRONLY)
    silent, refused, everything = (Bench(case, name, descriptor) for name in ("none", "refused", "all"))
    refusal = Refusal(Reason.SIGNATURE_WRONG, "label sig", case.client.client_id)

    def nothing() -> None:
        request = SimpleNamespace(laps=None)
        for _ in range(len(STAGES)):
            request.laps = None

    ways = {
        "nothing: the loop of this script alone": nothing,
        "counted, no line ([log] requests = none)": silent.ended(),
        "counted, accepted ([log] requests = refused, the default)": refused.ended(),
        "counted and told ([log] requests = all)": everything.ended(),
        "counted and told, refused": everything.ended(refusal),
    }

    def settled(run: Callable[[], None]) -> Callable[[], None]:
        """A batch, and the log's thread is done with it: its time belongs to it."""
        bench = everything

        def batch() -> None:
            for _ in range(arguments.calls):
                run()
            while bench.log.waiting:
                time.sleep(0.0005)

        return batch

    for run in ways.values():
        run()
    times = measure({name: settled(run) for name, run in ways.items()}, arguments.rounds, 1)
    each = {name: [one / arguments.calls for one in found] for name, found in times.items()}
    base = sorted(each["nothing: the loop of this script alone"])[arguments.rounds // 2]
    rows = [
        {
            "per request": name,
            "CPU, µs": spread(found),
            "above the loop, µs": f"{sorted(found)[len(found) // 2] - base:.2f}",
        }
        for name, found in each.items()
    ]
    says = [
        f"Bar: at most {BAR_US:g} µs for metrics and log lines together. The default keeps it for requests that are "
        "accepted; a line of its own for each request costs more.",
        f"{arguments.rounds} rounds of {arguments.calls} requests each, in turn; marks at {len(STAGES)} stages; the "
        "log's thread writes to /dev/null, and its time is in the figures.",
        "Not shown: the private listener's own work, and the second's copying of figures, which no request pays.",
    ]
    path = save("micro-observe", "Counting a request and writing it down", rows, says, ("orjson",))
    print("\n".join(" | ".join(f"{name}: {value}" for name, value in row.items()) for row in rows))
    print("\n".join(says))
    print(f"wrote {path.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
