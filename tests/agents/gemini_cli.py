"""Gemini CLI in a private world, and what it has written down there."""

import json
from pathlib import Path
from typing import ClassVar

from caving import Cave
from driven import Agent
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


class Gemini(Agent[Turn]):
    name = "gemini"
    declared: ClassVar = {"model": MODEL}

    def __init__(self, cave: Cave, api: GeminiApi, program: str) -> None:
        key, url = "fake-key", api.url
        super().__init__(cave, api, program, GEMINI_API_KEY=key, GOOGLE_GEMINI_BASE_URL=url)
        self.config = cave.home / ".gemini"
        self.settings = self.config / "settings.json"
        self.trusted = self.config / "trustedFolders.json"
        self.config.mkdir()

    def seed(self, *, trusted: bool) -> None:
        """What is written down once somebody has begun to use it."""
        self.settings.write_text(SETTINGS)
        known = {str(self.cave.root): "TRUST_FOLDER"} if trusted else {}
        self.trusted.write_text(json.dumps(known))

    def transcripts(self) -> list[Path]:
        return [*self.config.glob("tmp/*/chats/session-*.jsonl")]
