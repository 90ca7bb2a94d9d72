"""How many devices one core carries, with the arithmetic that leads there."""

from typing import Final

import msgspec

USED: Final = 0.7
"""Share of a core that a planner may count on: the rest is for bursts, and for a neighbour that fails."""


class Answer(msgspec.Struct, frozen=True):
    """How many devices, and each step of the calculation as a sentence."""

    devices: int
    steps: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The last step is the answer."""
        return self.steps[-1]


def carried(poll_us: float, report_us: float, report_every: int, interval_s: float, used: float = USED) -> Answer:
    """What one core carries if each device polls every `interval_s` and reports its status with every
    `report_every`th poll (0: never); costs are µs of a worker's CPU."""
    steps = [f"a poll costs {poll_us:,.0f} µs of CPU in the worker, a status report {report_us:,.0f} µs"]
    each_us = poll_us
    if report_every:
        each_us += report_us / report_every
        steps.append(
            f"a device that reports with every {ordinal(report_every)} poll costs {poll_us:,.0f} + {report_us:,.0f} / "
            f"{report_every} = {each_us:,.0f} µs for each interval of {interval_s:g} s"
        )
    else:
        steps.append(f"a device costs {each_us:,.0f} µs for each interval of {interval_s:g} s")
    budget_us = used * 1e6
    per_s = budget_us / each_us
    steps.append(
        f"one core has 1,000,000 µs a second; at {used:.0%} of it {budget_us:,.0f} µs, which is {per_s:,.0f} devices a "
        f"second"
    )
    devices = int(per_s * interval_s)
    steps.append(
        f"{per_s:,.0f} × {interval_s:g} s: one core carries {devices:,} devices that poll every {interval_s:g} s"
    )
    return Answer(devices, tuple(steps))


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th ..."""
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number % 100 not in (11, 12, 13) else "th"
    return f"{number}{suffix}"
