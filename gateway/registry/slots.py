"""Which slot of a cluster a key is in, and which node has a slot: what CLUSTER SLOTS says."""

from binascii import crc_hqx
from typing import Final, TypeAlias

import msgspec

from gateway.reasons import Reason
from gateway.registry.answers import Unavailable
from gateway.registry.resp import Reply

SLOTS: Final = 16384
Address: TypeAlias = tuple[str, int]
_SCRIPTS: Final = (b"EVAL", b"EVALSHA")
_BAD: Final = Unavailable(Reason.STORE_ANSWER, "what the cluster says of its slots cannot be read")


class SlotMap(msgspec.Struct, frozen=True):
    """Ranges of slots, both ends included, each with its master and the number of its replicas. `epoch` is the latest
    change of the cluster that the teller has heard of; `whole` says that it sees most masters, and all slots served."""

    whole: bool
    epoch: int
    ranges: tuple[tuple[int, int, Address, int], ...]

    @property
    def rank(self) -> tuple[bool, int]:
        """Of several maps the one with the highest counts: who is cut off may not know of the latest change."""
        return self.whole, self.epoch

    @property
    def masters(self) -> dict[Address, int]:
        """The masters that have slots, each with the number of its replicas."""
        return {address: replicas for _, _, address, replicas in self.ranges}

    @property
    def served(self) -> int:
        """How many slots have a master."""
        return sum(last - first + 1 for first, last, _, _ in self.ranges)


def slot_of(key: bytes) -> int:
    """The slot of a key: CRC-16 of what stands in its first braces, else of all of it."""
    begin = key.find(b"{")
    if begin >= 0:
        end = key.find(b"}", begin + 1)
        if end > begin + 1:
            key = key[begin + 1 : end]
    return crc_hqx(key, 0) % SLOTS


def slot_of_command(args: tuple[bytes, ...]) -> int:
    """The slot of a command with one key."""
    return slot_of(args[3] if args[0] in _SCRIPTS else args[1])


def read(info: Reply, slots: Reply, asked: str) -> SlotMap | Unavailable:
    """The map in the replies to CLUSTER INFO and CLUSTER SLOTS of the node that was asked at host `asked`."""
    for reply in (info, slots):
        if isinstance(reply, Unavailable):
            return reply
    try:
        facts = dict(line.partition(b":")[::2] for line in info.splitlines())
        ranges = tuple(_range(row, asked) for row in slots)
        whole = facts[b"cluster_state"] == b"ok"
        return SlotMap(whole, int(facts[b"cluster_current_epoch"]), tuple(sorted(ranges)))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return _BAD


def _range(row: Reply, asked: str) -> tuple[int, int, Address, int]:
    first, last, master = row[:3]
    # A node that does not know its own address leaves it out: it is where it was asked.
    host = (master[0] or b"").decode() or asked
    if host == "?" or not 0 <= first <= last < SLOTS:
        raise ValueError("no address, or no range")
    return first, last, (host, int(master[1])), len(row) - 3
