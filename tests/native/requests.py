"""One signed request with something of everything in it, to vary."""

FIELDS = (
    b"Host: wfm.example.com\r\n"
    b"Content-Digest: sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:\r\n"
    b"X-A: 1\r\n"
    b"X-A: \t 2 \t\r\n"
    b"X-Dict: a=1,   b;x=2, c=(a   b);q, a=3\r\n"
    b"X-Obs: \xc3\xa4\r\n"
    b"X-Empty:\r\n"
    b"X-Item: 1.50\r\n"
    b"Priority: u=1,   i\r\n"
)
LINE = b"POST /a/%2e%2E/b?x=1&y=a+b&caf%C3%A9=%c3%a9~*'!&dup=1&dup=2&e=&f&=g&bad=%zz%ff HTTP/1.1\r\n"
TYPES = {b"x-dict": "dictionary", b"x-item": "item", b"x-a": "list", b"x-empty": "dictionary", b"x-obs": "item"}


def signed(inputs: list[bytes], signatures: list[bytes], line: bytes = LINE, fields: bytes = FIELDS) -> bytes:
    """The request's head, with one field line for each of `inputs` and `signatures`."""
    lines = [b"Signature-Input: " + value + b"\r\n" for value in inputs]
    lines += [b"Signature: " + value + b"\r\n" for value in signatures]
    return line + fields + b"".join(lines) + b"\r\n"


def covering(components: bytes, parameters: bytes = b"", line: bytes = LINE, fields: bytes = FIELDS) -> bytes:
    """The request with one signature, labelled `a`, over `components`."""
    return signed([b"a=(" + components + b")" + parameters], [b"a=:AA==:"], line, fields)
