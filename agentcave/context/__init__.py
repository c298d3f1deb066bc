"""The Working Context: the markdown files in ``.cave/`` that tell an agent what it is to do."""

from agentcave.context.briefing import briefing
from agentcave.context.inspect import (
    ContextFile,
    archivable_paths,
    archive,
    diff,
    edited,
    show,
    unedited_paths,
)
from agentcave.context.render import STANDARD
from agentcave.context.seed import observe, write

__all__ = [
    "STANDARD",
    "ContextFile",
    "archivable_paths",
    "archive",
    "briefing",
    "diff",
    "edited",
    "observe",
    "show",
    "unedited_paths",
    "write",
]
