"""Generated requests: mostly right, with a mistake here and there, so that both sides get far before they disagree."""

from hypothesis import strategies as st

from tests.native.requests import FIELDS, LINE
from tests.vectors.messages import head_of
from tests.vectors.rfc9421_signatures import EXAMPLES

NAMES = st.sampled_from(
    [
        "@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query", "@query-param",
        "host", "content-digest", "x-a", "x-dict", "x-item", "x-empty", "priority", "signature",
        "@status", "@signature-params", "x-obs", "absent", "Host", "Content-Digest", "", "a b", "@Path",
    ]
)  # fmt: skip

BARE = st.sampled_from(
    [
        "", "=?1", "=?0", "=1", "=-1", "=0", "=1.50", "=1618884473", "=999999999999999", "=1000000000000000",
        '="a"', '="x"', '="dup"', '=""', '="a\\"b"', "=a", "=*/:", "=:AA==:", "=:AA:", "=::", "=@5", "=@1.0", '=%"%c3%a4"',
        '=%"a"', '=%"%C3"', '="', "=", "=(a)", '="\\a"',
    ]
)  # fmt: skip

COMPONENT_KEYS = st.sampled_from(["sf", "bs", "key", "name", "name", "key", "req", "tr", "foo", "SF"])
SIGNATURE_KEYS = st.sampled_from(["created", "expires", "nonce", "alg", "keyid", "tag", "foo", "*b", "Created", ""])
SPACES = st.sampled_from(["", "", "", "", " ", "  ", "\t"])
LABELS = st.sampled_from(["a", "b", "c", "sig-1", "*x", "A", ""])


@st.composite
def parameters(draw: st.DrawFn, keys: st.SearchStrategy[str], at_most: int) -> str:
    count = draw(st.integers(0, at_most))
    return "".join(
        f"{draw(st.sampled_from([';', ';', ';', '; ', ' ;']))}{draw(keys)}{draw(BARE)}" for _ in range(count)
    )


@st.composite
def component(draw: st.DrawFn) -> str:
    name = draw(NAMES)
    if name == "@query-param" and draw(st.booleans()):
        return f'"{name}";name="{draw(st.sampled_from(["x", "y", "dup", "e", "zz", "caf%C3%A9"]))}"'
    if draw(st.integers(0, 2)):
        return f'"{name}"'
    return f'"{name}"' + draw(parameters(COMPONENT_KEYS, 2))


@st.composite
def inner_list(draw: st.DrawFn) -> str:
    items = draw(st.lists(component(), max_size=5))
    separator = draw(st.sampled_from([" ", " ", " ", "  ", "", "\t", ","]))
    return f"({draw(SPACES)}{separator.join(items)}{draw(SPACES)})" + draw(parameters(SIGNATURE_KEYS, 4))


@st.composite
def signed_requests(draw: st.DrawFn) -> bytes:
    """A head with a generated Signature-Input, and a Signature whose labels mostly fit."""
    labels = draw(st.lists(LABELS.filter(str.islower), min_size=1, max_size=3, unique=True))
    if not draw(st.integers(0, 9)):
        labels = draw(st.lists(LABELS, max_size=10))
    others = labels if draw(st.integers(0, 9)) else draw(st.lists(LABELS, max_size=10))
    comma = draw(st.sampled_from([", ", ",", " ,\t", ",\r\n"]))
    inputs = comma.join(f"{label}={draw(inner_list())}" for label in labels)
    values = comma.join(
        f"{label}={draw(st.sampled_from([':AA==:'] * 8 + [':AB==:', 'x', ':AA==:;p=1']))}" for label in others
    )
    if comma == ",\r\n":  # one field line for each
        input_lines, value_lines = inputs.split(comma), values.split(comma)
    else:
        input_lines, value_lines = [inputs], [values]
    lines = [f"Signature-Input: {line}\r\n" for line in input_lines] + [
        f"Signature: {line}\r\n" for line in value_lines
    ]
    return LINE + FIELDS + "".join(lines).encode("ascii") + b"\r\n"


VALID = [
    *(head_of(example.message) for example in EXAMPLES),
    LINE + FIELDS + b'Signature-Input: a=("@method" "x-dict";key="b" "@query-param";name="y");created=1;tag="t"\r\n'
    b"Signature: a=:AA==:\r\n\r\n",
    b"GET http://WFM.example.com:80/a?b HTTP/1.1\r\nHost: wfm.example.com\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n"
    b'Transfer-Encoding: chunked\r\nSignature-Input: l=("@target-uri");created=5\r\nSignature: l=:/+8=:\r\n\r\n',
]

# Octets that mean something to one of the grammars, more often than others.
OCTETS = st.one_of(st.sampled_from(b'\r\n \t:;,="()\\?@%:*/#+-.azAZ09\x00\x7f\x80\xc3\xa4\xff'), st.integers(0, 255))


@st.composite
def mutated_requests(draw: st.DrawFn, at_most: int = 3) -> bytes:
    """A valid head in which a few octets were changed, removed, put in, doubled or moved."""
    raw = bytearray(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, at_most))):
        at = draw(st.integers(0, max(len(raw) - 1, 0)))
        kind = draw(st.sampled_from(["change", "remove", "put", "double", "move"]))
        end = min(len(raw), at + draw(st.integers(1, 12)))
        if kind == "change" and raw:
            raw[at] = draw(OCTETS)
        elif kind == "remove":
            del raw[at:end]
        elif kind == "put":
            raw.insert(at, draw(OCTETS))
        elif kind == "double":
            raw[at:at] = raw[at:end]
        else:
            piece = raw[at:end]
            del raw[at:end]
            to = draw(st.integers(0, len(raw)))
            raw[to:to] = piece
    return bytes(raw)
