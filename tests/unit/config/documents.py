"""Small configuration files for the tests."""

from pathlib import Path
from typing import Final

GOOD: Final = {"listen": 'public_url = "https://wfm.example.com"', "upstream": 'url = "http://127.0.0.1:9000"'}


def write(folder: Path, **sections: str) -> Path:
    """A file with the two settings that every configuration needs, and these sections (which replace them)."""
    path = folder / "gateway.toml"
    merged = {**GOOD, **sections}
    tables = [name for name in merged if name not in ("route", "top")]
    text = merged.get("top", "") + "\n"
    text += "".join(f"[{name}]\n{merged[name]}\n" for name in tables)
    path.write_text(text + merged.get("route", ""))
    return path
