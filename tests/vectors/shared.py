"""Where the larger vector files are: beside the project, and not everywhere."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2].parent / "shared" / "vectors"


def needs(folder: str) -> pytest.MarkDecorator:
    """Skip a module where `folder` of the shared vectors is absent."""
    return pytest.mark.skipif(not (FOLDER / folder).is_dir(), reason=f"../shared/vectors/{folder} is not there")


def load(path: str) -> Any:
    """One JSON file, with decimals kept exact; an empty list where it is absent, so that collection goes on."""
    file = FOLDER / path
    if not file.is_file():
        return []
    return json.loads(file.read_text("utf-8"), parse_float=Decimal)
