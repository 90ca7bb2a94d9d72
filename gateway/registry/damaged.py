"""A record that cannot be read, for those who go on in spite of it."""

import msgspec

from gateway.registry.records import Record, RecordMismatch, decode_whole


class Damaged(msgspec.Struct, frozen=True):
    """A record that cannot be read; `why` says what is wrong with it."""

    realm: str
    client_id: str
    why: str


def read_or_damaged(data: bytes, realm: str, client_id: str) -> Record | Damaged:
    """As `decode_whole`, for those who go on when a record is damaged."""
    try:
        return decode_whole(data, realm, client_id)
    except RecordMismatch as error:
        return Damaged(realm, client_id, str(error))
