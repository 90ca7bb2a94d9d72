"""Route templates compiled to a tree of segments; compared literally, whole segments only (R1)."""

from typing import Final

import msgspec

from gateway.model import Mode
from gateway.profiles import Access, Template
from gateway.profiles.template import CLIENT_ID, ONE, REST
from gateway.routing.match import Kind
from gateway.routing.paths import Offence


class Leaf(msgspec.Struct, frozen=True, gc=False):
    """Where one method of a template ends. `client_index` is the segment that holds the client id, -1 for none;
    `allowed` the offences that the route lets through."""

    kind: Kind
    route: str
    realm: str
    client_index: int
    client_id_from_keyid: bool
    require_covered_digest: bool | None
    allowed: int
    mode: Mode


class Ends:
    """The methods of one path: `by_method` those that are named, `any` for all others; `allow` is for a 405, `allowed`
    the offences that some method lets through."""

    __slots__ = ("allow", "allowed", "any", "by_method")

    def __init__(self) -> None:
        self.by_method: dict[bytes, Leaf] = {}
        self.any: Leaf | None = None
        self.allow: tuple[str, ...] = ()
        self.allowed = 0

    def add(self, leaf: Leaf, methods: tuple[str, ...]) -> None:
        """Register a leaf under its methods; HEAD comes with GET (RFC 9110 §9.3.2) unless it has a route of its own."""
        self.allowed |= leaf.allowed
        if not methods:
            self.any = leaf
            return
        for method in methods:
            self.by_method[method.encode()] = leaf
        if "GET" in methods:
            self.by_method.setdefault(b"HEAD", leaf)
        self.allow = tuple(sorted(method.decode() for method in self.by_method))


class Node:
    """One place in the tree: `literal` children by raw bytes, `one` for any segment, `rest` for all that follows."""

    __slots__ = ("ends", "literal", "one", "rest", "rest_least")

    def __init__(self) -> None:
        self.literal: dict[bytes, Node] = {}
        self.one: Node | None = None
        self.ends: Ends | None = None
        self.rest: Ends | None = None
        self.rest_least = 0
        """How many segments `rest` needs at least."""


_RELAXED: Final = {
    "encoded_slash": Offence.ENCODED_SLASH,
    "semicolon": Offence.SEMICOLON,
    "percent": Offence.PERCENT,
    "empty_segment": Offence.EMPTY_SEGMENT,
    "non_ascii": Offence.NON_ASCII,
}


def grow(templates: tuple[Template, ...], base_path: str, realm: str) -> Node:
    """The tree of all templates below `base_path`; `realm` is for those that have none of their own."""
    root = Node()
    for template in templates:
        _plant(root, template, base_path, realm)
    return root


def search(node: Node, segments: list[bytes], index: int = 0) -> Ends | None:
    """The most specific place for a path: literal before `one` before `rest`, decided from the left.

    Visits no node twice, so the work is bounded by the size of the tree.
    """
    if index == len(segments):
        if node.ends is not None:
            return node.ends
        return node.rest if node.rest_least == 0 else None
    segment = segments[index]
    child = node.literal.get(segment)
    if child is not None and (found := search(child, segments, index + 1)) is not None:
        return found
    if segment and node.one is not None and (found := search(node.one, segments, index + 1)) is not None:
        return found
    # A `{+name}` is one or more whole segments, so it does not end with a slash.
    if node.rest is not None and (node.rest_least == 0 or segments[-1]):
        return node.rest
    return None


def _plant(root: Node, template: Template, base_path: str, realm: str) -> None:
    node, client_index, allowed = root, -1, Offence.NONE
    for name in template.relax:
        allowed |= _RELAXED[name]
    ends: Ends | None = None
    for index, segment in enumerate((base_path + template.path).split("/")[1:]):
        if segment == CLIENT_ID and template.access in (Access.SIGNED, Access.ROTATION):
            client_index = index
        if segment == REST or segment.startswith("{+"):
            if segment != REST:
                node.rest_least = 1
                allowed |= Offence.ENCODED_SLASH  # R1: legal inside of {deviceId} only
            ends = node.rest = node.rest or Ends()
        elif segment == ONE or segment.startswith("{"):
            node.one = node.one or Node()
            node = node.one
        else:
            node = node.literal.setdefault(segment.encode(), Node())
    if ends is None:
        ends = node.ends = node.ends or Ends()
    leaf = Leaf(
        template.access.value,
        template.name,
        template.realm or realm,
        client_index,
        template.client_id_from_keyid,
        template.require_covered_digest,
        int(allowed),
        template.mode,
    )
    ends.add(leaf, template.methods)
