"""The table of reasons is whole, consistent with Margo's own types, and every row is provoked by some test."""

import json
from pathlib import Path

import pytest

from gateway.reasons import BLANK, MARGO, OURS, TABLE, Reason

ROOT = Path(__file__).parents[2]
PROBLEM_TYPES = ROOT.parent / "shared" / "margo" / "problem-types.json"
CLIENT = {"request", "signature", "digest", "key", "trust", "onboarding", "policy", "replay", "limit"}
OURSELVES = {"store", "upstream", "internal"}


def test_every_reason_has_a_row_and_a_family() -> None:
    assert set(TABLE) == set(Reason)
    assert {reason.partition(".")[0] for reason in Reason} == CLIENT | OURSELVES | {"config"}


@pytest.mark.parametrize("reason", list(Reason))
def test_blame_and_status_agree(reason: Reason) -> None:
    row, family = TABLE[reason], reason.partition(".")[0]
    assert row.sentence.endswith(".")
    assert row.remedy.endswith(".")
    if family == "config":
        assert row.status == 0
    elif family in OURSELVES:
        # R26: our trouble is 5xx, never 401.
        assert 500 <= row.status <= 504
        assert row.retryable
    else:
        assert 400 <= row.status < 500
    if family in ("signature", "policy", "replay"):
        assert row.status == 401


@pytest.mark.parametrize("reason", [reason for reason in Reason if not reason.startswith("config")])
def test_r26_what_is_retryable_says_when(reason: Reason) -> None:
    row = TABLE[reason]
    assert row.retryable == (row.retry_after_s is not None)
    if row.status == 403 and row.retryable:
        assert row.type.startswith(OURS), "Margo's 403 is not retryable"


@pytest.mark.parametrize("reason", [reason for reason in Reason if not reason.startswith("config")])
def test_our_own_types_never_stand_under_margos(reason: Reason) -> None:
    row = TABLE[reason]
    assert row.type == BLANK or row.type.startswith((OURS, MARGO))
    if row.type.startswith(OURS):
        assert row.type == OURS + reason


@pytest.mark.skipif(not PROBLEM_TYPES.exists(), reason="../shared/margo is not here")
def test_margos_types_are_used_with_margos_status() -> None:
    types = {entry["type"]: entry["status"] for entry in json.loads(PROBLEM_TYPES.read_text())["types"]}
    used = {(row.type, row.status) for row in TABLE.values() if row.type.startswith(MARGO)}
    assert used
    assert {(type_, types[type_]) for type_, _ in used} == used


def test_every_reason_is_provoked_by_some_test() -> None:
    own = Path(__file__)
    text = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py") if path != own)
    missing = [reason for reason in Reason if f"Reason.{reason.name}" not in text and f'"{reason.value}"' not in text]
    assert missing == []
