"""docs/internals/tmux.md tells the same as the table that the code asks."""

import re
from pathlib import Path

from agentcave.tmux.versions import QUIRKS, TESTED, Quirk

ROOT = Path(__file__).parents[2]


def span(quirk: Quirk) -> str:
    if quirk.last is None:
        return f"from {quirk.first} on"
    return f"{quirk.first} to {quirk.last}"


def test_the_page_has_every_quirk_with_its_versions_and_where_it_was_seen() -> None:
    page = (ROOT / "docs/internals/tmux.md").read_text()
    rows = re.findall(r"^\| `(\S+)` \| (.*?) \| (.*?) \|", page, re.MULTILINE)
    assert rows == [(one.name, span(one), ", ".join(one.seen)) for one in QUIRKS]


def test_what_is_called_tested_has_been_run() -> None:
    """The table of docs/testing.md is written by scripts/systems."""
    page = (ROOT / "docs/testing.md").read_text()
    rows = [re.split(r" *\| *", line) for line in page.splitlines() if line.count("|") == 12]
    ran = {row[2] for row in rows if row[5].isdigit()}
    assert ran == set(TESTED)
    readme = (ROOT / "README.md").read_text()
    assert all(version in readme for version in TESTED)
