"""Read one TOML table into a struct, key by key: each mistake names its key, what was seen and what is wanted."""

import difflib
import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from gateway.config.mistake import Mistake, wrong

S = TypeVar("S", bound=msgspec.Struct)


def read_table(cls: type[S], table: Any, at: str, sections: Mapping[str, type[msgspec.Struct]]) -> S:
    """An instance of `cls` from a table; `at` is the table's own key, `sections` help to find a misplaced key.

    :raises Mistake: config.invalid
    """
    if not isinstance(table, dict):
        raise wrong(at, table, "a table")
    hints = get_type_hints(cls, include_extras=True)
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in hints:
            raise unknown_key(at, key, hints, sections)
        try:
            values[key] = msgspec.convert(value, type=hints[key], strict=True)
        except msgspec.ValidationError:
            raise wrong(f"{at}.{key}", value, wanted(hints[key])) from None
    for field in msgspec.structs.fields(cls):
        if field.required and field.name not in values:
            raise Mistake(f"{at}.{field.name}", f"missing, wanted {wanted(hints[field.name])}")
    return cls(**values)


def unknown_key(at: str, key: str, known: Iterable[str], sections: Mapping[str, type[msgspec.Struct]]) -> Mistake:
    """A key that does not exist, with the nearest one that does: of the same table, else the same name elsewhere."""
    full = f"{at}.{key}" if at else key
    names = list(known)
    near = difflib.get_close_matches(key, names, n=1, cutoff=0.6)
    if near:
        meant = f"{at}.{near[0]}" if at else near[0]
        return Mistake(full, f"unknown key; did you mean {meant}?")
    for section, cls in sections.items():
        if key in cls.__struct_fields__:
            return Mistake(full, f"unknown key; did you mean {section}.{key}?")
    return Mistake(full, f"unknown key; known here: {', '.join(sorted(names))}")


def wanted(hint: Any) -> str:
    """What a type takes, in words: its description, else the choices, else the plain type."""
    if get_origin(hint) is Annotated:
        inner, *extras = get_args(hint)
        texts = [extra.description for extra in extras if isinstance(extra, msgspec.Meta) and extra.description]
        return texts[0] if texts else wanted(inner)
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(wanted(part) for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(f'"{choice}"' for choice in get_args(hint))
    return "true or false" if hint is bool else "text"
