"""The clients that are refused most: found in any flood, in bounded memory."""

import random

from gateway.observe.failing import ROOM, Failures


def test_the_last_refusal_is_told_with_the_count() -> None:
    failures = Failures()
    failures.note("dev1", "signature.wrong", "label sig1", "r1", 1.0)
    failures.note("dev2", "policy.too_old", "", "r2", 2.0)
    failures.note("dev1", "replay.seen", "label sig1", "r3", 3.0)
    first, second = failures.worst()
    assert (first.client_id, first.count, first.unsure, first.reason, first.request_id, first.at) == (
        "dev1", 2, 0, "replay.seen", "r3", 3.0,
    )  # fmt: skip
    assert (second.client_id, second.count) == ("dev2", 1)


def test_a_flood_of_made_up_ids_hides_nobody() -> None:
    """R5: bounded, and of use."""
    failures = Failures()
    draw = random.Random(7)
    for number in range(10_000):
        name = "real" if draw.random() < 0.05 else f"made-up-{number}"
        failures.note(name, "key.unknown_client", "", "", 0.0)
    worst = failures.worst()
    assert len(worst) == ROOM
    assert worst[0].client_id == "real"
    assert worst[0].count - worst[0].unsure <= 600
    assert sum(one.count for one in worst) == 10_000
