"""The real programs in private worlds, against model APIs on 127.0.0.1."""

from collections.abc import Iterator

import programs
import pytest
from caving import Cave
from claude_code import Claude
from fakes.anthropic import AnthropicApi
from worlds import cave, world

__all__ = ["cave", "world"]


def pytest_report_header() -> str:
    left_out = [name for name in programs.ALL if name not in programs.driven()]
    note = f"; {', '.join(left_out)}: scripts/test-agents" if left_out else ""
    return f"real agents: {', '.join(programs.driven())}{note}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of agents that are not driven are left out, as if -k had been given."""
    others = [item for item in items if _is_left_out(item)]
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]


def _is_left_out(item: pytest.Item) -> bool:
    return programs.agent_of(item.path) in set(programs.ALL) - set(programs.driven())


@pytest.fixture
def api() -> Iterator[AnthropicApi]:
    with AnthropicApi() as listening:
        yield listening


@pytest.fixture
def claude(cave: Cave, api: AnthropicApi) -> Claude:
    """Claude Code as somebody uses it who has begun, and who trusts the project."""
    made = Claude(cave, api, programs.program("claude"))
    made.seed(trusted=True)
    return made
