"""Only proof goes to the backend (R16)."""

import asyncio
from typing import Any

import pytest

from gateway.model import Refusal
from gateway.proxy.forward import Delivery, forward, forward_open
from gateway.proxy.unproven import forward_unverified
from gateway.reasons import Reason


def test_forward_takes_nothing_but_what_may_go() -> None:
    nothing: Any = None
    unproven: Any = Refusal(Reason.SIGNATURE_WRONG)
    delivery = Delivery()
    with pytest.raises(TypeError):
        asyncio.run(forward(unproven, None, None, nothing, True, nothing, nothing, delivery))
    with pytest.raises(TypeError):
        asyncio.run(forward_open(unproven, 1, nothing, True, nothing, nothing, delivery))
    with pytest.raises(TypeError):
        asyncio.run(forward_unverified(unproven, None, None, nothing, True, nothing, nothing, delivery))
    assert not delivery.touched
