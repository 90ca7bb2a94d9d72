"""Send the very bytes of one request, and read the answer."""

import contextlib
import http.client
import socket
import ssl
from typing import Final
from urllib.parse import urlsplit

import msgspec

from gateway.reasons import ConfigError, Reason

TIMEOUT_S: Final = 30.0


class Answer(msgspec.Struct, frozen=True):
    """Status, reason phrase and body of a response."""

    status: int
    phrase: str
    body: bytes


def send(message: bytes, method: str, connect_to: str, authority: str, ca_file: str | None) -> Answer:
    """Connect to the scheme and authority of `connect_to`, write `message`, return the answer.

    :param authority: the Host of the message; its host name is what a TLS certificate must carry
    :raises ConfigError: config.invalid: no such address, nobody listens, TLS fails, no HTTP answer in 30 s
    """
    try:
        parts = urlsplit(connect_to)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or parts.scheme not in ("http", "https") or parts.path not in ("", "/"):
        raise _failed(f"--send {connect_to!r} is not http:// or https:// with a host and nothing behind it")
    trust = _trust(ca_file)
    try:
        with socket.create_connection((host, port or (443 if parts.scheme == "https" else 80)), TIMEOUT_S) as plain:
            if parts.scheme == "http":
                return _exchange(plain, message, method)
            name = urlsplit(f"//{authority}").hostname or host
            with trust.wrap_socket(plain, server_hostname=name) as secured:
                return _exchange(secured, message, method)
    except ssl.SSLCertVerificationError as error:
        raise _failed(f"the TLS certificate of {connect_to} is not trusted: {error.verify_message}") from error
    except TimeoutError as error:
        raise _failed(f"{connect_to} did not answer within {TIMEOUT_S:.0f} s") from error
    except OSError as error:
        raise _failed(f"{connect_to} cannot be reached: {error.strerror or error}") from error
    except http.client.HTTPException as error:
        raise _failed(f"{connect_to} gave no HTTP answer ({type(error).__name__})") from error


def _trust(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ConfigError(Reason.CONFIG_UNREADABLE, f"{ca_file} cannot be read as certificates to trust") from error


def _exchange(connection: socket.socket, message: bytes, method: str) -> Answer:
    # A gateway may answer before it has read everything, and close.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(message)
    response = http.client.HTTPResponse(connection, method=method)
    try:
        response.begin()
        return Answer(response.status, response.reason, response.read())
    finally:
        response.close()


def _failed(sentence: str) -> ConfigError:
    return ConfigError(Reason.CONFIG_INVALID, sentence)
