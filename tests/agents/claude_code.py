"""Claude Code in a private world, and what it has written down there."""

import json
from pathlib import Path
from typing import Any, ClassVar

from caving import Cave
from driven import Agent
from fakes.anthropic import AnthropicApi, Turn

KEY = "sk-ant-fake-0123456789abcdefghijklmnop"
QUIET = (
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    "DISABLE_AUTOUPDATER",
    "DISABLE_ERROR_REPORTING",
    "DISABLE_TELEMETRY",
)


class Claude(Agent[Turn]):
    name = "claude"
    declared: ClassVar = {"permission_mode": "default"}

    def __init__(self, cave: Cave, api: AnthropicApi, program: str) -> None:
        self.config = cave.home / "claude"
        self.config.mkdir()
        super().__init__(
            cave,
            api,
            program,
            **dict.fromkeys(QUIET, "1"),
            ANTHROPIC_API_KEY=KEY,
            ANTHROPIC_BASE_URL=api.url,
            CLAUDE_CONFIG_DIR=str(self.config),
        )

    def seed(self, *, trusted: bool) -> None:
        """What Claude Code has written down once somebody has begun to use it."""
        known: dict[str, Any] = {"hasCompletedOnboarding": True}
        known["customApiKeyResponses"] = {"approved": [KEY[-20:]], "rejected": []}
        if trusted:
            known["projects"] = {str(self.cave.root): {"hasTrustDialogAccepted": True}}
        (self.config / ".claude.json").write_text(json.dumps(known))

    def transcripts(self) -> list[Path]:
        return [*self.config.glob("projects/*/*.jsonl")]

    def typed(self, cave: str = "api") -> str | None:
        """What stands in its input box; None when none is seen."""
        screen = self.cave.tmux("capture-pane", "-p", "-t", f"=shop/{cave}/claude:")
        lines = [line[2:] for line in screen.splitlines() if line.startswith("❯\u00a0")]
        return lines[-1].strip() if lines else None
