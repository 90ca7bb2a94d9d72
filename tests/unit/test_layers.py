"""The direction of flow: who may import whom, where I/O may be, and who may make a proof."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

GATEWAY = Path(__file__).parents[2] / "gateway"

# Lower layers first; a module may import its own layer and those before it.
LAYERS = (
    ("model", "reasons", "clock", "report", "__init__"),
    ("_native",),
    ("config", "profiles"),
    ("signature",),
    ("registry", "policy", "replay", "routing", "signing", "balance", "limiting"),
    ("onboarding",),
    ("steps", "advice", "several", "attempts", "pipeline", "observing"),
    ("observe", "explain"),
    ("proxy", "admin"),
    ("demo", "fleet"),
    ("bench",),
    ("cli",),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
WITH_IO = ("proxy", "admin", "demo", "fleet", "bench")


def modules() -> list[Path]:
    return sorted(GATEWAY.rglob("*.py"))


def unit_of(path: Path) -> str:
    first = path.relative_to(GATEWAY).parts[0]
    return first.removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[str]:
    for node in running_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, "imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def running_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that exist for annotations only."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"):
            yield node
            yield from running_nodes(node)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(GATEWAY)))
def test_imports_go_down(path: Path) -> None:
    own = unit_of(path)
    assert own in RANK, f"{own} has no layer: give it one here"
    for name in imported(ast.parse(path.read_text())):
        parts = name.split(".")
        if parts[0] != "gateway" or len(parts) == 1:
            continue
        other = parts[1] if parts[1] in RANK else "__init__"
        assert RANK[other] <= RANK[own], f"{own} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(GATEWAY)))
def test_io_stays_in_its_places(path: Path) -> None:
    if unit_of(path) in WITH_IO:
        assert path.exists()
        return
    tree = ast.parse(path.read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)]
    assert not [name for name in imported(tree) if name.split(".")[0] == "aiohttp"]


@pytest.mark.parametrize(
    ("proof", "maker"),
    [
        ("Verified", "signature/verify.py"),
        ("Admitted", "policy.py"),
        ("Unverified", "policy.py"),
        ("Composed", "routing/compose.py"),
    ],
)
def test_proofs_are_made_in_one_place(proof: str, maker: str) -> None:
    makers = {
        str(path.relative_to(GATEWAY))
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == proof
    }
    assert makers == {maker}
