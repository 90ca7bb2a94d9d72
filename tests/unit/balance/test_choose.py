"""Who of several servers gets the next request."""

from collections import Counter

from gateway.balance.choose import by_client, least_busy, next_in_round, round_of
from gateway.balance.server import Server


def servers(*weights: int) -> list[Server]:
    return [Server(f"http://10.0.0.{index}", weight) for index, weight in enumerate(weights, 1)]


def weights_of(some: list[Server]) -> list[float]:
    return [float(server.weight) for server in some]


def test_turns_are_in_proportion_and_spread_evenly() -> None:
    some = servers(4, 1, 1)
    turns = [some.index(next_in_round(some, weights_of(some))) for _ in range(12)]
    assert Counter(turns) == {0: 8, 1: 2, 2: 2}
    assert turns[:6] == turns[6:]
    again = servers(4, 1, 1)
    assert [again.index(server) for server in round_of(again)] == turns[:6]
    assert [0, 0, 0, 0] not in [turns[at : at + 4] for at in range(9)]


def test_least_busy_counts_weights_and_takes_turns() -> None:
    some = servers(1, 1, 2)
    some[0].in_flight, some[1].in_flight, some[2].in_flight = 3, 1, 2
    assert least_busy(some, weights_of(some), 0) is some[2]  # 3/2 against 4/1 and 2/1
    for server in some:
        server.in_flight = 0
    some[2].in_flight = 9
    found = Counter(least_busy(some, weights_of(some), turn).name for turn in range(30))
    assert found == {some[0].name: 20, some[1].name: 10}  # the busy one's turns go to the next


def test_clients_keep_their_server_when_another_goes() -> None:
    some = servers(1, 1, 2)
    ids = [f"client-{number}" for number in range(4000)]
    before = {client_id: by_client(some, client_id) for client_id in ids}
    shares = Counter(server.name for server in before.values())
    assert 0.4 < shares[some[2].name] / len(ids) < 0.6
    left = some[1:]
    after = {client_id: by_client(left, client_id) for client_id in ids}
    moved = [client_id for client_id in ids if before[client_id] is not after[client_id]]
    assert all(before[client_id] is some[0] for client_id in moved)
    assert len(moved) == shares[some[0].name]
