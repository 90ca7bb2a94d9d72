"""What an operator may say of a client beside its certificates: a tenant, and labels."""

from collections.abc import Mapping
from typing import Final

from gateway.reasons import ConfigError, Reason
from gateway.registry import keys

_COUNT: Final = 32
_CHARACTERS: Final = 256
_NAME: Final = "is not 1 to 128 characters of A-Z a-z 0-9 . _ ~ = -"


def mistake(tenant: str | None, labels: Mapping[str, str] | None) -> str:
    """What is wrong with them, as one sentence; empty if nothing is."""
    if tenant and not keys.is_realm(tenant):
        return f"the tenant {tenant[:140]!r} {_NAME}"
    if len(labels or {}) > _COUNT:
        return f"has more than {_COUNT} labels"
    for name, value in (labels or {}).items():
        if not keys.is_client_id(name):
            return f"the label {name[:140]!r} {_NAME}"
        if len(value) > _CHARACTERS or not value.isprintable():
            return f"the value of label {name} is longer than {_CHARACTERS} characters or cannot be printed"
    return ""


def check(tenant: str | None, labels: Mapping[str, str] | None) -> None:
    """As `mistake`.

    :raises ConfigError: config.invalid
    """
    wrong = mistake(tenant, labels)
    if wrong:
        raise ConfigError(Reason.CONFIG_INVALID, wrong)
