"""A real cluster: masters with a replica each on free ports, which decide within a second, and slots that move."""

import contextlib
from pathlib import Path
from typing import Any

import redis

from gateway.registry.slots import SLOTS, slot_of
from tests.fault.tls import issue
from tests.topology.servers import Node, until

NODE_TIMEOUT_MS = 600
_OPTIONS = (
    *("--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS), "--save", "", "--appendonly", "no"),
    *("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1", "--cluster-allow-replica-migration", "no"),
    *("--cluster-replica-validity-factor", "0"),
)


class Cluster:
    """Masters, each with a replica; `password` is asked for by all, `tls` spoken by all, with `ca`."""

    def __init__(
        self,
        directory: Path,
        masters: int = 3,
        replicas: int = 1,
        password: str = "",
        program: str = "",
        tls: bool = False,
    ) -> None:
        auth = ("--requirepass", password, "--masterauth", password) if password else ()
        count = masters * (1 + replicas)
        self.ca = directory / "ca.pem"
        options = (*_OPTIONS, *auth, *(_tls(self.ca, directory / "node.pem") if tls else ()))
        self.nodes = [Node(directory / f"node{number}", *options, program=program) for number in range(count)]
        self._masters = masters
        self._password = password
        for node in self.nodes:
            if tls:
                node.speak_tls()
            secure = {"ssl": True, "ssl_ca_certs": str(self.ca)} if tls else {}
            if password or tls:
                node.client = redis.Redis("127.0.0.1", node.port, socket_timeout=5, password=password or None, **secure)
        self._scheme = "rediss" if tls else "redis"

    def start(self) -> None:
        """Start all nodes, and wait until all slots are served and each master has its replicas."""
        for node in self.nodes:
            node.start()
        masters, replicas = self.nodes[: self._masters], self.nodes[self._masters :]
        for number, node in enumerate(masters):
            first, last = number * SLOTS // self._masters, (number + 1) * SLOTS // self._masters - 1
            node.client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            node.client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            self.nodes[0].client.execute_command("CLUSTER", "MEET", *node.address)
        for node in self.nodes:
            until(lambda node=node: info(node)["cluster_known_nodes"] == str(len(self.nodes)))
        for number, node in enumerate(replicas):
            master = node_id(masters[number % self._masters])
            until(lambda node=node, master=master: node.client.execute_command("CLUSTER", "REPLICATE", master))
        for node in replicas:
            until(lambda node=node: node.replication()["master_link_status"] == "up")
        for node in self.nodes:
            until(lambda node=node: info(node)["cluster_state"] == "ok")
            until(lambda node=node: self._replicas_known(node) == len(replicas))

    def _replicas_known(self, node: Node) -> int:
        return sum(len(row) - 3 for row in slot_rows(node))

    def stop(self) -> None:
        """End all of them."""
        for node in self.nodes:
            node.kill()

    @property
    def url(self) -> str:
        """The store URL: the first master and the last replica are enough."""
        seeds = ",".join(f"127.0.0.1:{node.port}" for node in (self.nodes[0], self.nodes[-1]))
        return f"{self._scheme}+cluster://{f':{self._password}@' if self._password else ''}{seeds}"

    def owner(self, key: bytes) -> Node:
        """The master that has the key by its own words."""
        slot = slot_of(key)
        for node in self.nodes:
            with contextlib.suppress(redis.exceptions.RedisError):
                if not node.alive or node.replication()["role"] != "master":
                    continue
                for first, last, master, *_ in slot_rows(node):
                    if first <= slot <= last and int(master[1]) == node.port:
                        return node
        raise AssertionError("nobody has it")

    def replica_of(self, master: Node) -> Node:
        """Its replica."""
        return next(node for node in self.nodes if node.alive and node.replication().get("master_port") == master.port)

    def get(self, key: bytes) -> Any:
        """What a key holds."""
        return self.owner(key).client.get(key)

    def begin_move(self, slot: int, source: Node, target: Node) -> None:
        """From now on the target is given the slot key by key."""
        target.client.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", node_id(source))
        source.client.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", node_id(target))

    def move_keys(self, slot: int, source: Node, target: Node) -> None:
        """Give the target what the source has in the slot."""
        while names := source.client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
            auth = ("AUTH", self._password) if self._password else ()
            source.client.execute_command("MIGRATE", *target.address, "", 0, 5000, *auth, "KEYS", *names)

    def end_move(self, slot: int, source: Node, target: Node) -> None:
        """The slot is the target's, and everybody knows."""
        for node in (target, source):
            node.client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", node_id(target))
        for node in self.nodes:
            until(lambda node=node: has(node, slot, target))


def _tls(ca: Path, leaf: Path) -> tuple[str, ...]:
    issue(ca, leaf)
    files = ("--tls-ca-cert-file", str(ca), "--tls-cert-file", str(leaf), "--tls-key-file", str(leaf))
    return (*files, "--tls-auth-clients", "no", "--tls-replication", "yes", "--tls-cluster", "yes")


def has(asked: Node, slot: int, owner: Node) -> bool:
    """Does a node believe that the slot is the owner's?"""
    return any(first <= slot <= last and int(master[1]) == owner.port for first, last, master, *_ in slot_rows(asked))


def slot_rows(node: Node) -> list[Any]:
    """CLUSTER SLOTS as it is."""
    client = node.client
    client.set_response_callback("CLUSTER SLOTS", lambda reply, **_: reply)
    found: list[Any] = client.execute_command("CLUSTER SLOTS")
    return found


def info(node: Node) -> dict[str, str]:
    """CLUSTER INFO."""
    found: dict[str, str] = node.client.execute_command("CLUSTER INFO")
    return found


def node_id(node: Node) -> str:
    """The node's name in the cluster."""
    return str(node.client.execute_command("CLUSTER", "MYID").decode())
