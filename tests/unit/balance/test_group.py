"""Servers that fail, come back, warm up; limits; and what may be sent twice (R13). The clock is the test's."""

from collections import Counter
from typing import Any

import pytest

from gateway.balance.group import Group, NoServer
from gateway.config import Upstream
from gateway.config.upstream import Check
from gateway.reasons import Reason
from tests.support.clock import FakeClock

A, B, C = "http://10.0.0.1:80", "http://10.0.0.2:80", "http://10.0.0.3:80"


class Site:
    """A group, its clock, and what it reported."""

    def __init__(self, *servers: str, **options: Any) -> None:
        self.clock = FakeClock()
        self.told: list[tuple[str, str]] = []
        config = Upstream(servers=servers or (A, B), name="wfm", **options)
        self.group = Group(config, self.clock, lambda event, detail: self.told.append((event, detail)))
        self.servers = self.group.servers

    def turns(self, count: int) -> Counter[str]:
        found: Counter[str] = Counter()
        for _ in range(count):
            server = self.group.pick("")
            found[server.name] += 1
            self.group.release(server)
        return found

    def fail(self, index: int, times: int = 1) -> None:
        for _ in range(times):
            self.group.failed(self.servers[index], "refused")


def test_server_that_fails_in_a_row_is_ejected_and_comes_back() -> None:
    site = Site(eject_after=3, eject_s=10.0)
    site.fail(0, 2)
    site.group.answered(site.servers[0])
    site.fail(0, 2)
    assert site.turns(4) == {A: 2, B: 2}
    site.fail(0)
    assert site.turns(4) == {B: 4}
    ((event, detail),) = site.told
    assert event == "upstream.ejected"
    assert "wfm" in detail
    assert A in detail
    assert "1 of 2 servers are up" in detail
    site.clock.advance(9.9)
    assert site.turns(4) == {B: 4}
    site.clock.advance(0.2)
    assert site.turns(4) == {A: 2, B: 2}


def test_server_that_comes_back_no_better_goes_at_once_and_for_longer() -> None:
    site = Site(eject_after=3, eject_s=10.0)
    site.fail(0, 3)
    site.clock.advance(10.1)
    site.fail(0)
    assert site.turns(2) == {B: 2}
    site.clock.advance(19.8)
    assert site.turns(2) == {B: 2}
    site.clock.advance(0.3)
    assert site.turns(2) == {A: 1, B: 1}
    site.group.answered(site.servers[0])
    site.fail(0, 2)
    assert site.turns(2) == {A: 1, B: 1}


def test_last_server_is_never_ejected() -> None:
    site = Site(eject_after=1)
    site.fail(0)
    site.fail(1, 10)
    assert site.turns(2) == {B: 2}


def test_ejected_server_is_better_than_none() -> None:
    site = Site(eject_after=1, eject_s=10.0)
    site.fail(0)
    tried = [site.servers[1]]
    assert site.group.may_try_again(b"POST", False, Reason.UPSTREAM_UNREACHABLE, tried)
    assert site.group.pick("", tried) is site.servers[0]


def test_ejection_can_be_switched_off() -> None:
    site = Site(eject_after=0)
    site.fail(0, 100)
    assert site.turns(2) == {A: 1, B: 1}


def test_checks_take_a_server_out_and_bring_it_back() -> None:
    site = Site(check=Check(path="/", rise=2, fall=3))
    first = site.servers[0]
    for server in site.servers:
        site.group.checked(server, None)
    site.group.checked(first, "refused")
    site.group.checked(first, "refused")
    site.group.checked(first, None)
    site.group.checked(first, "refused")
    site.group.checked(first, "refused")
    assert site.turns(2) == {A: 1, B: 1}
    site.group.checked(first, "refused")
    assert site.turns(2) == {B: 2}
    site.group.checked(first, None)
    assert site.turns(2) == {B: 2}
    site.group.checked(first, None)
    assert site.turns(2) == {A: 1, B: 1}
    assert [event for event, _ in site.told] == ["upstream.down", "upstream.up"]


def test_first_check_counts_at_once_and_nobody_up_is_said() -> None:
    site = Site(check=Check(path="/"))
    for server in site.servers:
        site.group.checked(server, "refused")
    with pytest.raises(NoServer) as error:
        site.group.pick("")
    assert error.value.reason is Reason.UPSTREAM_DOWN
    assert A in error.value.detail
    assert "refused" in error.value.detail


def test_server_that_came_back_warms_up() -> None:
    site = Site(check=Check(path="/", rise=1), slow_start_s=100.0)
    site.group.checked(site.servers[0], "refused")
    site.group.checked(site.servers[0], None)
    cold = site.turns(110)
    assert cold == {A: 10, B: 100}
    site.clock.advance(50.0)
    assert 45 <= site.turns(150)[A] <= 55
    site.clock.advance(50.0)
    assert site.turns(100) == {A: 50, B: 50}


def test_ejected_server_warms_up_after_its_time() -> None:
    site = Site(eject_after=1, eject_s=10.0, slow_start_s=100.0)
    site.fail(0)
    site.clock.advance(10.0)
    assert site.turns(110)[A] == 10


def test_requests_under_way_are_limited() -> None:
    site = Site(max_requests=2)
    site.group.enter()
    site.group.enter()
    with pytest.raises(NoServer) as error:
        site.group.enter()
    assert error.value.reason is Reason.UPSTREAM_BUSY
    site.group.leave()
    site.group.enter()


def test_what_was_not_sent_may_go_to_others_each_once() -> None:
    site = Site(A, B, C, retry_percent=0)
    tried = [site.servers[0]]
    assert site.group.may_try_again(b"POST", False, Reason.UPSTREAM_UNREACHABLE, tried)
    assert site.group.pick("", tried) is not site.servers[0]
    tried.append(site.servers[1])
    assert site.group.pick("", tried) is site.servers[2]
    assert site.group.may_try_again(b"POST", False, Reason.UPSTREAM_UNREACHABLE, tried)
    tried.append(site.servers[2])
    assert not site.group.may_try_again(b"POST", False, Reason.UPSTREAM_UNREACHABLE, tried)


@pytest.mark.parametrize(
    ("retry", "method", "reason", "may"),
    [
        ("unsent", b"GET", Reason.UPSTREAM_UNREACHABLE, False),
        ("idempotent", b"GET", Reason.UPSTREAM_UNREACHABLE, True),
        ("idempotent", b"PUT", Reason.UPSTREAM_UNREACHABLE, True),
        ("idempotent", b"POST", Reason.UPSTREAM_UNREACHABLE, False),
        ("idempotent", b"PATCH", Reason.UPSTREAM_UNREACHABLE, False),
        ("idempotent", b"GET", Reason.UPSTREAM_TIMEOUT, False),
        ("idempotent", b"GET", Reason.UPSTREAM_ANSWER, False),
    ],
)
def test_r13_what_was_sent_goes_again_only_if_that_was_allowed(
    retry: str, method: bytes, reason: Reason, may: bool
) -> None:
    site = Site(retry=retry)
    assert site.group.may_try_again(method, True, reason, [site.servers[0]]) is may


def test_second_attempts_have_a_budget() -> None:
    site = Site(retry="idempotent", retry_percent=10)

    def spent(requests: int) -> int:
        for _ in range(requests):
            site.group.enter()
            site.group.leave()
        return sum(
            site.group.may_try_again(b"GET", True, Reason.UPSTREAM_UNREACHABLE, [site.servers[0]]) for _ in range(1000)
        )

    assert spent(0) == 10
    assert spent(40) == 4
    assert spent(100_000) == 10


def test_state_can_be_read() -> None:
    site = Site(eject_after=1, eject_s=10.0)
    busy = site.group.pick("")
    other = site.servers[1 - site.servers.index(busy)]
    site.group.failed(other, "refused")
    site.clock.advance(4.0)
    found = {state.server: state for state in site.group.describe()}
    assert (found[busy.name].up, found[busy.name].in_flight, found[busy.name].upstream) == (True, 1, "wfm")
    state = found[other.name]
    assert (state.up, state.ejected_for_s, state.detail) == (False, 6.0, "refused")
