"""Walks over DER that a parser has accepted already (X.690)."""


def content(data: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at `at` begins and ends (X.690 §8.1.3).

    :raises ValueError: it ends after `data` does
    """
    if at + 2 > len(data):
        raise ValueError("DER ends too early")
    length = data[at + 1]
    begin = at + 2
    if length & 0x80:
        size = length & 0x7F
        length = int.from_bytes(data[begin : begin + size], "big")
        begin += size
    if begin + length > len(data):
        raise ValueError("DER ends too early")
    return begin, begin + length
