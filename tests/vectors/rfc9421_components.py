"""Component lines that RFC 9421 prints in its section 2, transcribed, with the section that each stands in.

Code components of the RFC (IETF Trust Legal Provisions, Revised BSD licence). Left out: `X-Obs-Fold-Header` of 2.1, since folded
lines are refused (R4); CONNECT and `OPTIONS *` of 2.2.5, refused too; `tr` (2.1.4) and `@status` (2.2.9), which only responses
have.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Lines:
    """Component lines that the RFC prints for one request (or for fields alone: then `message` begins with a line of ours)."""

    section: str
    scheme: str
    message: str
    lines: tuple[str, ...]
    types: tuple[tuple[str, str], ...] = ()


COMPONENTS = [
    Lines(
        section="2.1-fields",
        scheme="https",
        message=(
            "GET / HTTP/1.1\n"
            "Host: www.example.com\n"
            "Date: Tue, 20 Apr 2021 02:07:56 GMT\n"
            "X-OWS-Header:   Leading and trailing whitespace.\n"
            "Cache-Control: max-age=60\n"
            "Cache-Control:    must-revalidate\n"
            "Example-Dict:  a=1,    b=2;x=1;y=2,   c=(a   b   c)\n"
            "\n"
        ),
        lines=(
            '"host": www.example.com',
            '"date": Tue, 20 Apr 2021 02:07:56 GMT',
            '"x-ows-header": Leading and trailing whitespace.',
            '"cache-control": max-age=60, must-revalidate',
            '"example-dict": a=1,    b=2;x=1;y=2,   c=(a   b   c)',
        ),
    ),
    Lines(
        section="2.1-empty",
        scheme="https",
        message=("GET / HTTP/1.1\nHost: www.example.com\nX-Empty-Header: \n\n"),
        lines=('"x-empty-header": ',),
    ),
    Lines(
        section="2.1.1-plain",
        scheme="https",
        message=("GET / HTTP/1.1\nHost: www.example.com\nExample-Dict:  a=1,    b=2;x=1;y=2,   c=(a   b   c)\n\n"),
        lines=('"example-dict": a=1,    b=2;x=1;y=2,   c=(a   b   c)',),
    ),
    Lines(
        section="2.1.1-sf",
        scheme="https",
        message=("GET / HTTP/1.1\nHost: www.example.com\nExample-Dict:  a=1,    b=2;x=1;y=2,   c=(a   b   c)\n\n"),
        lines=('"example-dict";sf: a=1, b=2;x=1;y=2, c=(a b c)',),
        types=(("example-dict", "dictionary"),),
    ),
    Lines(
        section="2.1.2-key",
        scheme="https",
        message=("GET / HTTP/1.1\nHost: www.example.com\nExample-Dict:  a=1, b=2;x=1;y=2, c=(a   b    c), d\n\n"),
        lines=(
            '"example-dict";key="a": 1',
            '"example-dict";key="d": ?1',
            '"example-dict";key="b": 2;x=1;y=2',
            '"example-dict";key="c": (a b c)',
        ),
        types=(("example-dict", "dictionary"),),
    ),
    Lines(
        section="2.1.3-multi",
        scheme="https",
        message=(
            "GET / HTTP/1.1\nHost: www.example.com\nExample-Header: value, with, lots\nExample-Header: of, commas\n\n"
        ),
        lines=('"example-header": value, with, lots, of, commas',),
    ),
    Lines(
        section="2.1.3-single",
        scheme="https",
        message=("GET / HTTP/1.1\nHost: www.example.com\nExample-Header: value, with, lots, of, commas\n\n"),
        lines=('"example-header": value, with, lots, of, commas',),
    ),
    Lines(
        section="2.1.3-bs-multi",
        scheme="https",
        message=(
            "GET / HTTP/1.1\nHost: www.example.com\nExample-Header: value, with, lots\nExample-Header: of, commas\n\n"
        ),
        lines=('"example-header";bs: :dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:',),
    ),
    Lines(
        section="2.1.3-bs-single",
        scheme="https",
        message=("GET / HTTP/1.1\nHost: www.example.com\nExample-Header: value, with, lots, of, commas\n\n"),
        lines=('"example-header";bs: :dmFsdWUsIHdpdGgsIGxvdHMsIG9mLCBjb21tYXM=:',),
    ),
    Lines(
        section="2.2.1-method",
        scheme="https",
        message=("POST /path?param=value HTTP/1.1\nHost: www.example.com\n\n"),
        lines=('"@method": POST',),
    ),
    Lines(
        section="2.2.2-target-uri",
        scheme="https",
        message=("POST /path?param=value HTTP/1.1\nHost: www.example.com\n\n"),
        lines=('"@target-uri": https://www.example.com/path?param=value',),
    ),
    Lines(
        section="2.2.3-authority",
        scheme="https",
        message=("POST /path?param=value HTTP/1.1\nHost: www.example.com\n\n"),
        lines=('"@authority": www.example.com',),
    ),
    Lines(
        section="2.2.4-scheme",
        scheme="http",
        message=("POST /path?param=value HTTP/1.1\nHost: www.example.com\n\n"),
        lines=('"@scheme": http',),
    ),
    Lines(
        section="2.2.5-request-target-origin",
        scheme="https",
        message=("POST /path?param=value HTTP/1.1\nHost: www.example.com\n\n"),
        lines=('"@request-target": /path?param=value',),
    ),
    Lines(
        section="2.2.5-request-target-absolute",
        scheme="https",
        message=("GET https://www.example.com/path?param=value HTTP/1.1\nHost: www.example.com\n\n"),
        lines=('"@request-target": https://www.example.com/path?param=value',),
    ),
    Lines(
        section="2.2.6-path",
        scheme="https",
        message=("GET /path?param=value HTTP/1.1\nHost: www.example.com\n\n"),
        lines=('"@path": /path',),
    ),
    Lines(
        section="2.2.7-query",
        scheme="https",
        message=("GET /path?param=value&foo=bar&baz=bat%2Dman HTTP/1.1\nHost: www.example.com\n\n"),
        lines=('"@query": ?param=value&foo=bar&baz=bat%2Dman',),
    ),
    Lines(
        section="2.2.7-query-noeq",
        scheme="https",
        message=("POST /path?queryString HTTP/1.1\nHost: www.example.com\n\n"),
        lines=('"@query": ?queryString',),
    ),
    Lines(
        section="2.2.7-query-absent",
        scheme="https",
        message=("GET /path HTTP/1.1\nHost: www.example.com\n\n"),
        lines=('"@query": ?',),
    ),
    Lines(
        section="2.2.8-query-param",
        scheme="https",
        message=("GET /path?param=value&foo=bar&baz=batman&qux= HTTP/1.1\nHost: www.example.com\n\n"),
        lines=(
            '"@query-param";name="baz": batman',
            '"@query-param";name="qux": ',
            '"@query-param";name="param": value',
        ),
    ),
    Lines(
        section="2.2.8-query-param-enc",
        scheme="https",
        message=(
            "GET /parameters?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something HTTP/1.1\n"
            "Host: www.example.com\n"
            "Date: Tue, 20 Apr 2021 02:07:56 GMT\n"
            "\n"
        ),
        lines=(
            '"@query-param";name="var": this%20is%20a%20big%0Amultiline%20value',
            '"@query-param";name="bar": with%20plus%20whitespace',
            '"@query-param";name="fa%C3%A7ade%22%3A%20": something',
        ),
    ),
]
