"""`wfm-gateway sign`: sign one request as a device does; print it, print it for curl, or send it."""

import json
import re
import sys
import time
from pathlib import Path
from typing import Final

import click
import msgspec

from gateway.cli.shown import shown
from gateway.model import Algorithm
from gateway.reasons import ConfigError, Reason

# One component: a plain name, or an identifier in quotes with its parameters.
_COMPONENT: Final = re.compile(r'"[^"]*"(?:;[a-z*][a-z0-9_.*-]*(?:="(?:[^"\\]|\\.)*")?)*|[^\s,"]+')
_EPILOG: Final = """\
\b
Examples:
  wfm-gateway sign --key device.key POST https://wfm.example.com/api/v1/clients/dev-1/capabilities --data @report.json
  wfm-gateway sign --key device.key GET https://wfm.example.com/api/v1/clients/dev-1/deployments --curl
  wfm-gateway sign --key device.key --send http://127.0.0.1:8080 \\
      GET https://wfm.example.com/api/v1/clients/dev-1/deployments
"""


@click.command("sign", epilog=_EPILOG, short_help="Sign a request as a device does; print or send it.")
@click.option(
    "--key", "key_file", required=True, metavar="FILE", help="Private key, PEM or DER (PKCS #8, PKCS #1, SEC 1)."
)
@click.option("--key-password-file", metavar="FILE", help="File with the key's password.")
@click.option("--cert", "cert_file", metavar="FILE", help="Check that the key belongs to this certificate.")
@click.option(
    "--alg",
    type=click.Choice([algorithm.value for algorithm in Algorithm]),
    help="Algorithm; without it the key decides, and RSA takes rsa-pss-sha512 as the Margo reference device does.",
)
@click.option("--send-alg", is_flag=True, help="Send the alg parameter too.")
@click.option("--label", default="sig1", show_default=True, help="Label of the signature.")
@click.option(
    "--components",
    metavar="LIST",
    help='Covered components, separated by spaces or commas. Default: "@method @target-uri @authority", '
    "and content-digest with a body.",
)
@click.option(
    "--created", metavar="TIME", default="now", help="Seconds since 1970, +N or -N from now, or none. Default: now."
)
@click.option("--expires", metavar="TIME", help="Seconds since 1970, or +N or -N from now. Default: not sent.")
@click.option("--nonce", help="Default: not sent.")
@click.option("--tag", help="Default: not sent.")
@click.option("--keyid", help='Default: hex SHA-256 of the key\'s SPKI; "" sends none.')
@click.option(
    "--digest",
    "digests",
    multiple=True,
    type=click.Choice(["sha-256", "sha-512", "none"]),
    help="Algorithm of Content-Digest; may be given twice. Default: sha-256.",
)
@click.option(
    "-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A field to send; may be repeated."
)
@click.option("--data", "-d", metavar="@FILE|-|TEXT", help="Body: of a file, of standard input, or as given.")
@click.option(
    "--rotate-key",
    "rotate_file",
    metavar="FILE",
    help="New private key of a device that rotates: a second signature, over the same components.",
)
@click.option("--curl", "as_curl", is_flag=True, help="Print a curl command (one that connects to --send, if given).")
@click.option(
    "--send", "send_to", metavar="URL", help="Send it to this scheme and authority; Host stays the signed one."
)
@click.option("--ca", "ca_file", metavar="FILE", help="Certificates to trust with --send to https.")
@click.argument("method")
@click.argument("url")
def command(
    key_file: str,
    key_password_file: str | None,
    cert_file: str | None,
    alg: str | None,
    send_alg: bool,
    label: str,
    components: str | None,
    created: str,
    expires: str | None,
    nonce: str | None,
    tag: str | None,
    keyid: str | None,
    digests: tuple[str, ...],
    headers: tuple[str, ...],
    data: str | None,
    rotate_file: str | None,
    as_curl: bool,
    send_to: str | None,
    ca_file: str | None,
    method: str,
    url: str,
) -> None:
    """Sign the request METHOD URL with a device's key.

    Prints the raw HTTP message. The URL is signed byte for byte as given, so write it as the device sees it. A body
    that is JSON gets `Content-Type: application/json` unless another is given. With --send, the answer's status line
    and body are printed, and the exit status is 1 if the status is 400 or more.
    """
    from gateway import signing

    now = int(time.time())
    body = _body(data)
    key = signing.load_private_key(
        _read(key_file), _read(key_password_file).rstrip(b"\r\n") if key_password_file else None, key_file
    )
    if cert_file is not None:
        _check_certificate(cert_file, key_file, signing.keyid_of(key))
    options = signing.SignOptions(
        created=_time(created, now, "created"),
        expires=None if expires is None else _time(expires, now, "expires"),
        label=label,
        components=None if components is None else _components(components),
        keyid=keyid,
        alg=None if alg is None else Algorithm(alg),
        send_alg=send_alg,
        nonce=nonce,
        tag=tag,
        digests=tuple(name for name in dict.fromkeys(digests or ("sha-256",)) if name != "none"),
    )
    request = signing.Request(method, url, body, _fields(headers, body))
    signed = signing.sign(request, key, options)
    if rotate_file is not None:
        from gateway.onboarding.rotation import TAG

        successor = signing.load_private_key(_read(rotate_file), None, rotate_file)
        second = msgspec.structs.replace(options, label=f"{label}-new", tag=TAG, keyid=None, alg=None)
        signed = signing.sign_also(signed, request, successor, second)
    if as_curl:
        click.echo(signing.curl(signed, send_to))
    elif send_to is None:
        click.echo(signing.raw(signed), nl=False)
    else:
        from gateway.cli.sending import send

        answer = send(signing.raw(signed), signed.method, send_to, signed.authority, ca_file)
        click.echo(f"HTTP/1.1 {answer.status} {answer.phrase}".rstrip())
        _show(answer.body)
        if answer.status >= 400:
            sys.exit(1)


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(Reason.CONFIG_UNREADABLE, f"{path} cannot be read: {error.strerror}") from error


def _body(data: str | None) -> bytes:
    if data is None:
        return b""
    if data == "-":
        return sys.stdin.buffer.read()
    return _read(data[1:]) if data.startswith("@") else data.encode()


def _fields(headers: tuple[str, ...], body: bytes) -> tuple[tuple[str, str], ...]:
    fields = []
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon:
            raise _invalid(f"the field {header!r} must have the form 'Name: value'")
        fields.append((name, value.strip(" \t")))
    if body and not any(name.lower() == "content-type" for name, _ in fields) and _is_json(body):
        fields.append(("Content-Type", "application/json"))
    return tuple(fields)


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def _components(text: str) -> tuple[str, ...]:
    found = tuple(_COMPONENT.findall(text))
    if _COMPONENT.sub("", text).strip(" ,\t\n"):
        raise _invalid(f"--components {text!r} is not a list of components")
    return found


def _time(text: str, now: int, name: str) -> int | None:
    if text == "now":
        return now
    if text == "none" and name == "created":
        return None
    if not re.fullmatch(r"[+-]?[0-9]{1,15}", text):
        raise _invalid(f"--{name} {text!r} is neither seconds since 1970 nor +N or -N")
    return now + int(text) if text[0] in "+-" else int(text)


def _check_certificate(cert_file: str, key_file: str, keyid: str) -> None:
    from gateway.registry.certificates import read_certificate, spki_sha256

    certificate, _ = read_certificate(_read(cert_file), cert_file)
    if spki_sha256(certificate) != keyid:
        raise _invalid(f"{cert_file} is not the certificate of the key in {key_file}")


def _show(body: bytes) -> None:
    """R29: a server's bytes reach a terminal only as text, without control characters; a file or pipe gets them all."""
    if not sys.stdout.isatty():
        click.echo(body, nl=False)
        return
    for line in body.decode(errors="backslashreplace").splitlines():
        click.echo(shown(line))


def _invalid(sentence: str) -> ConfigError:
    return ConfigError(Reason.CONFIG_INVALID, sentence)
