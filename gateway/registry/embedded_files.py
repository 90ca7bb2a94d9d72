"""The directory of the embedded store: who may see it, what lies in it, and where its socket is."""

import os
import secrets
import stat
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from gateway.reasons import ConfigError, Reason
from gateway.registry import keys
from gateway.registry.store_url import EmbeddedStore

REQUEST_USER: Final = "wfmgw-request"
"""Store user of the request path (R27)."""
ONBOARDING_USER: Final = "wfmgw-onboarding"
"""Store user of the code that records new devices, and of nothing else (R27)."""
_SOCKET_PATH_LIMIT_BYTES: Final = 100  # sun_path holds 104 octets on macOS, 108 on Linux
_LOG_LIMIT_BYTES: Final = 1 << 20

_CONFIGURATION: Final = """\
# Written anew at every start.
port 0
unixsocket "{socket}"
unixsocketperm 700
dir "./"
aclfile "users.acl"
databases 1
maxclients 1000
save ""
appendonly yes
appendfsync everysec
maxmemory {maxmemory_bytes}
maxmemory-policy noeviction
"""

# R27: the request path reads records, follows changes, sets and releases replay claims, counts what it let through
# (`[rate]`), and that is all. Onboarding
# leases keys, writes records, index and notices, and counts first contacts; it neither reads nor makes claims.
_USERS: Final = """\
user default on nopass ~* &* +@all
user {user} on #{password_sha256} resetchannels \
%R~{client}* %R~{spki}* %R~{pin}* %R~{changes} %RW~{seen}* %RW~{rate}* \
-@all +get +set +incrby +expire +xrange +xrevrange +ping +hello +auth +select +client|setname +info
user {onboarding_user} on #{onboarding_sha256} resetchannels \
%RW~{client}* %RW~{spki}* %RW~{changes} %RW~{tofu}* \
-@all +get +set +del +eval +xadd +incr +decr +expire +waitaof \
+ping +echo +hello +auth +reset +quit +select +client|setname +client|setinfo +client|id +info
"""


class Written(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which server wrote the files: `product` as it calls itself, its `version`, its `path` if it is not the bundled
    one."""

    product: str
    version: str
    path: str = ""


class Files(msgspec.Struct, frozen=True):
    """Names inside of one store directory."""

    directory: Path

    @property
    def lock(self) -> Path:
        """Held by the gateway whose store this is."""
        return self.directory / "lock"

    @property
    def door(self) -> Path:
        """Held while somebody starts, stops, enters or leaves."""
        return self.directory / "lock.door"

    @property
    def users(self) -> Path:
        """Shared by the commands that use the server at the moment."""
        return self.directory / "lock.users"

    @property
    def running(self) -> Path:
        """Held by the server itself, as long as it lives."""
        return self.directory / "lock.running"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.directory / "valkey.log"

    @property
    def configuration(self) -> Path:
        """What the server reads at its start."""
        return self.directory / "valkey.conf"

    @property
    def password(self) -> Path:
        """The password of the request path's user."""
        return self.directory / "request.password"

    @property
    def onboarding_password(self) -> Path:
        """The password of the user that records new devices."""
        return self.directory / "onboarding.password"

    def prepare(self, create: bool) -> None:
        """Make the directory ours alone (R27), creating it if `create` says so.

        :raises ConfigError: config.store_unreachable
        """
        try:
            if create:
                self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.directory.stat()
        except FileNotFoundError as error:
            raise trouble(f"there is no embedded store at {self.directory}") from error
        except FileExistsError as error:
            raise trouble(f"the embedded store cannot use {self.directory}: it is not a directory") from error
        except OSError as error:
            raise trouble(f"the embedded store cannot use {self.directory}: {error.strerror}") from error
        if not stat.S_ISDIR(found.st_mode):
            raise trouble(f"the embedded store cannot use {self.directory}: it is not a directory")
        if found.st_uid != os.geteuid():
            raise trouble(
                f"the embedded store's directory {self.directory} belongs to user {found.st_uid}, not to "
                f"{os.geteuid()}: run the command as that user, or name another directory"
            )
        if stat.S_IMODE(found.st_mode) & 0o077:
            self._close_to_others(stat.S_IMODE(found.st_mode))

    def _close_to_others(self, mode: int) -> None:
        # A directory that is in use for something else must not be shut to others by a slip of the pen.
        if not self.lock.exists() and any(self.directory.iterdir()):
            raise trouble(
                f"the embedded store cannot use {self.directory}: it is open to other users, holds other files and "
                "is not a store; name a new directory"
            )
        try:
            self.directory.chmod(0o700)
        except OSError as error:
            raise trouble(
                f"the embedded store's directory {self.directory} is open to other users and cannot be closed to them: "
                f"{error.strerror}"
            ) from error
        # Whoever could write here may have left a server to run, users to let in, or clients to accept.
        for entry in self.directory.iterdir():
            owner = entry.lstat().st_uid
            if owner != os.geteuid():
                self.directory.chmod(mode)  # so that the next start finds it too
                raise trouble(
                    f"the embedded store cannot use {self.directory}: it was open to other users and holds the file "
                    f"{entry.name} of user {owner}; look into it, and name a new directory"
                )

    def socket(self) -> Path:
        """Where the server listens, or will: in the directory, or in the runtime directory that is recorded there."""
        beside = self.directory / "valkey.sock"
        if len(os.fsencode(beside)) <= _SOCKET_PATH_LIMIT_BYTES:
            return beside
        recorded = self._recorded_runtime()
        return beside if recorded is None else recorded / "valkey.sock"

    def make_socket_place(self) -> Path:
        """As `socket`, after making a short runtime directory if the path needs one."""
        place = self.socket()
        if len(os.fsencode(place)) <= _SOCKET_PATH_LIMIT_BYTES:
            return place
        runtime = Path(tempfile.mkdtemp(prefix="wfmgw-", dir=_runtime_base()))  # mkdtemp makes it 0700
        self.write(self.directory / "runtime", str(runtime))
        return runtime / "valkey.sock"

    def forget_socket_place(self) -> None:
        """Remove the runtime directory after the server has ended."""
        recorded = self._recorded_runtime()
        if recorded is not None:
            (recorded / "valkey.sock").unlink(missing_ok=True)
            recorded.rmdir()
            (self.directory / "runtime").unlink()

    def _recorded_runtime(self) -> Path | None:
        try:
            recorded = Path((self.directory / "runtime").read_text())
            found = recorded.lstat()
        except (OSError, ValueError):
            return None
        ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not stat.S_IMODE(found.st_mode) & 0o077
        return recorded if ours else None

    def read_password(self, path: Path) -> str:
        """The password in one of our files, made at first use."""
        try:
            return path.read_text()
        except FileNotFoundError:
            password = secrets.token_urlsafe(32)
            self.write(path, password)
            return password

    def write_configuration(self, store: EmbeddedStore) -> None:
        """Write what the server reads at its start: its configuration and its users."""
        socket = self.make_socket_place()
        # Relative where it can be, for the server runs inside of the directory: nothing to quote then.
        name = socket.name if socket.parent == self.directory else str(socket)
        users = _USERS.format(
            user=REQUEST_USER,
            password_sha256=self._password_sha256(self.password),
            onboarding_user=ONBOARDING_USER,
            onboarding_sha256=self._password_sha256(self.onboarding_password),
            client=keys.CLIENT_PREFIX.decode(),
            spki=keys.SPKI_PREFIX.decode(),
            pin=keys.PIN_PREFIX.decode(),
            tofu=keys.TOFU_PREFIX.decode(),
            changes=keys.CHANGES.decode(),
            seen=keys.SEEN_PREFIX.decode(),
            rate=keys.RATE_PREFIX.decode(),
        )
        self.write(self.directory / "users.acl", users)
        self.write(self.configuration, _CONFIGURATION.format(socket=name, maxmemory_bytes=store.maxmemory_bytes))

    def _password_sha256(self, path: Path) -> str:
        return sha256(self.read_password(path).encode()).hexdigest()

    def write(self, path: Path, text: str) -> None:
        """Write one small file, whole or not at all, for our eyes only."""
        fresh = path.with_name(path.name + ".new")
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(fd, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(fd)
        fresh.replace(path)

    def read_written(self) -> Written | None:
        """Who wrote the store's files; None for a new store."""
        try:
            return msgspec.json.decode((self.directory / "server").read_bytes(), type=Written)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise trouble(
                f"the file {self.directory / 'server'} of the embedded store cannot be read: {error}"
            ) from error

    def record_written(self, written: Written) -> None:
        """Record who writes the store's files from now on."""
        self.write(self.directory / "server", msgspec.json.encode(written).decode())

    def open_log(self) -> int:
        """A descriptor that appends to the server's log; a long log is put aside first."""
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_name("valkey.log.1"))
        return os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)

    def last_words(self) -> str:
        """The last line of the server's log."""
        try:
            lines = self.log.read_bytes()[-4096:].decode(errors="replace").splitlines()
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


def trouble(message: str) -> ConfigError:
    """The operator's error about a store, in one sentence."""
    return ConfigError(Reason.CONFIG_STORE, message)


def _runtime_base() -> str:
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if base and Path(base).is_dir() and os.access(base, os.W_OK) and len(os.fsencode(base)) < 60:
        return base
    return "/tmp"  # noqa: S108 - mkdtemp makes a directory of our own in it, and macOS's own choice is too long
