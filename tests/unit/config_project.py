"""A caves file in a temporary project, for the tests of agentcave.config."""

import os
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from agentcave.config import load, resolve, select
from agentcave.errors import SpecError
from agentcave.model.spec import CaveSpec, ProjectSpec

HEAD = "version: 1\nname: shop\n"


def write(directory: Path, text: str, name: str = "caves.yaml") -> str:
    """Write a file and return its path; ``text`` is dedented."""
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text))
    return os.fspath(path)


def spec(
    directory: Path, text: str, environ: Mapping[str, str] | None = None, head: str = HEAD
) -> ProjectSpec:
    document = load([write(directory, head + dedent(text))])
    return resolve(document, select(document), environ or {}, home="/home/me")


def caves(
    directory: Path, text: str, environ: Mapping[str, str] | None = None
) -> dict[str, CaveSpec]:
    return {cave.name: cave for cave in spec(directory, text, environ).caves}


def problems(
    directory: Path, text: str, environ: Mapping[str, str] | None = None, head: str = HEAD
) -> list[str]:
    """What is wrong with a file, each line without its directory."""
    with pytest.raises(SpecError) as caught:
        spec(directory, text, environ, head)
    return [line.replace(f"{os.path.realpath(directory)}/", "") for line in caught.value.problems]
