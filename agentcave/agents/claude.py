"""Claude Code. Flags and files as seen in 2.1.197."""

import re

from agentcave.agents.base import Start
from agentcave.model.spec import StopKey

PROGRAM: tuple[str, ...] = ("claude",)
INSTALL = "npm install -g @anthropic-ai/claude-code"
CONVERSES = True
STOP_KEYS: tuple[StopKey, ...] = ()
STOP_SIGNAL = "TERM"  # exits 143 within 0.1 s, also while busy, and keeps the transcript


def launch(start: Start) -> tuple[str, ...]:
    """The first prompt is positional: typed text can be lost in the first second after start."""
    spec = start.spec
    argv = [*(spec.command or PROGRAM)]
    if start.conversation is not None:
        argv += ["--resume" if start.resume else "--session-id", start.conversation]
    if spec.model is not None:
        argv += ["--model", spec.model]
    if spec.permission_mode is not None:
        argv += ["--permission-mode", spec.permission_mode]
    argv += spec.args
    if start.prompt is not None:
        argv += ["--", start.prompt]  # variadic flags would eat it without the dashes
    return tuple(argv)


def transcript(start: Start) -> str | None:
    """``<config>/projects/<working directory, each non-alphanumeric a dash>/<id>.jsonl``."""
    config = start.environment.get("CLAUDE_CONFIG_DIR")
    if not config and "HOME" in start.environment:
        config = f"{start.environment['HOME']}/.claude"
    if not config or start.conversation is None:
        return None
    slug = re.sub(r"[^A-Za-z0-9]", "-", start.workdir)
    return f"{config}/projects/{slug}/{start.conversation}.jsonl"
