"""One wrong value in a configuration, before anybody knows which file or flag it came from."""

import json
from typing import Any

from gateway.reasons import Reason


class Mistake(Exception):
    """`key` with dots (`policy.max_age_s`) and the rest of the sentence; whoever loads makes it a ConfigError."""

    def __init__(self, key: str, sentence: str, reason: Reason = Reason.CONFIG_INVALID) -> None:
        super().__init__(f"{key}: {sentence}")
        self.key = key
        self.sentence = sentence
        self.reason = reason


def wrong(key: str, seen: Any, wanted: str) -> Mistake:
    """The usual mistake: what was seen and what is wanted, in one sentence."""
    return Mistake(key, f"got {shown(seen)}, wanted {wanted}")


def shown(value: Any, limit: int | None = 80) -> str:
    """A value as TOML would spell it, cut to `limit` characters."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        text = "[" + ", ".join(shown(item) for item in value) + "]"
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
    else:
        text = str(value)
    return text if limit is None or len(text) <= limit else text[: limit - 3] + "..."
