"""Gemini CLI in a private world, and short words for what tests do with it."""

import json
from pathlib import Path
from typing import Any

from caving import Cave, Done, eventually
from fakes.gemini import GeminiApi, Turn

MODEL = "gemini-2.5-pro"
"""With a model that is named, no other one is asked which model to take."""
SETTINGS = """\
{
  // a person's own, comment included
  "security": {
    "auth": {"selectedType": "gemini-api-key"},
    "folderTrust": {"enabled": true}
  },
  "privacy": {"usageStatisticsEnabled": false}
}
"""


class Gemini:
    """One project with a cave that runs Gemini CLI; ``api`` is its model."""

    def __init__(self, cave: Cave, api: GeminiApi, program: str) -> None:
        self.cave, self.api, self.program = cave, api, program
        self.config = cave.home / ".gemini"
        self.settings = self.config / "settings.json"
        self.trusted = self.config / "trustedFolders.json"
        self.config.mkdir()
        cave.environ |= {
            "GEMINI_API_KEY": "fake-key",
            "GOOGLE_GEMINI_BASE_URL": api.url,
            "NO_PROXY": "127.0.0.1",
        }

    # -- doing ---------------------------------------------------------------------------------

    def seed(self, *, trusted: bool) -> None:
        """What is written down once somebody has begun to use it."""
        self.settings.write_text(SETTINGS)
        known = {str(self.cave.root): "TRUST_FOLDER"} if trusted else {}
        self.trusted.write_text(json.dumps(known))

    def declare(self, **agent: Any) -> None:
        one = {"command": [self.program], "model": MODEL, **agent}
        caves = {"api": {"agents": {"gemini": one}}}
        self.cave.declare(json.dumps({"version": 1, "name": "shop", "caves": caves}, indent=1))

    def up(self, *words: str, code: int = 0) -> Done:
        return self.cave.up(*words, code=code)

    def tell(self, verb: str, *words: str, code: int = 0, stdin: str = "") -> Done:
        return self.cave.run(verb, "-f", "caves.yaml", *words, code=code, stdin=stdin)

    def send(self, text: str, code: int = 0) -> Done:
        return self.tell("send", "api", "-", stdin=text, code=code)

    # -- seeing --------------------------------------------------------------------------------

    def row(self) -> dict[str, Any]:
        return self.cave.ps()["api/gemini"]

    def becomes(self, activity: str, within: str = "20s") -> None:
        """Wait for it as a person does, and see ``ps`` say the same."""
        goal = "idle" if activity == "idle" else "attention"
        self.tell("wait", "api", "--for", goal, "--timeout", within)
        eventually(lambda: self.row()["activity"] == activity)

    def last_turn(self) -> Turn:
        return self.api.turns()[-1]

    def asked(self, text: str) -> bool:
        """Whether the model has been given this prompt, exactly."""
        return any(text in turn.said for turn in self.api.turns())

    def file(self, name: str) -> Path:
        return self.cave.workspace() / name

    def transcripts(self) -> list[Path]:
        return [*self.config.glob("tmp/*/chats/session-*.jsonl")]

    def screen(self) -> str:
        return self.cave.screen("shop/api/gemini")
