"""The guard: what the other tests call native is the compiled module, and has all that its stub promises."""

import ast
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import gateway
from gateway import _native


def test_the_native_module_is_compiled() -> None:
    assert _native.__file__ is not None
    assert _native.__file__.endswith(tuple(EXTENSION_SUFFIXES))


def test_everything_in_the_stub_is_there() -> None:
    stub = ast.parse((Path(gateway.__file__).parent / "_native.pyi").read_text("utf-8"))
    promised = [node.name for node in stub.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    assert "select" in promised
    assert [name for name in promised if not hasattr(_native, name)] == []
