"""opencode in a private world, and short words for what tests do with it."""

import json
from pathlib import Path
from typing import Any

from caving import Cave, Done, eventually
from fakes.chat import ChatApi, Turn

NOWHERE = "http://127.0.0.1:9"
QUIET = (
    "OPENCODE_DISABLE_AUTOUPDATE",
    "OPENCODE_DISABLE_LSP_DOWNLOAD",
    "OPENCODE_DISABLE_MODELS_FETCH",
)


class OpenCode:
    """One project with a cave that runs opencode; ``api`` is its model."""

    def __init__(self, cave: Cave, api: ChatApi, program: str) -> None:
        self.cave, self.api, self.program = cave, api, program
        cave.environ |= dict.fromkeys(QUIET, "1")
        cave.environ |= {
            "HTTPS_PROXY": NOWHERE,
            "NO_PROXY": "127.0.0.1",
            "npm_config_registry": NOWHERE,
            "XDG_DATA_HOME": str(cave.home / "data"),
        }
        models = {"fake-model": {"limit": {"context": 100000, "output": 8000}}}
        provider = {
            "npm": "@ai-sdk/openai-compatible",
            "options": {"baseURL": f"{api.url}/v1", "apiKey": "k"},
            "models": models,
        }
        config = {"provider": {"fake": provider}, "small_model": "fake/fake-model"}
        path = cave.home / "config" / "opencode" / "opencode.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(config))

    # -- doing ---------------------------------------------------------------------------------

    def declare(self, **agent: Any) -> None:
        one = {"command": [self.program], "model": "fake/fake-model", **agent}
        caves = {"api": {"agents": {"opencode": one}}}
        self.cave.declare(json.dumps({"version": 1, "name": "shop", "caves": caves}, indent=1))

    def up(self, *words: str) -> Done:
        return self.cave.up(*words)

    def tell(self, verb: str, *words: str, code: int = 0, stdin: str = "") -> Done:
        return self.cave.run(verb, "-f", "caves.yaml", *words, code=code, stdin=stdin)

    def send(self, text: str, code: int = 0) -> Done:
        return self.tell("send", "api", "-", stdin=text, code=code)

    # -- seeing --------------------------------------------------------------------------------

    def row(self) -> dict[str, Any]:
        return self.cave.ps()["api/opencode"]

    def becomes(self, activity: str, within: float = 30.0) -> None:
        try:
            eventually(lambda: self.row()["activity"] == activity, within)
        except AssertionError as late:
            late.add_note(f"{self.row()}\n{self.screen()}")
            raise

    def pid(self) -> int:
        return int(self.row()["pid"])

    def last_turn(self) -> Turn:
        return self.api.turns()[-1]

    def asked(self, text: str) -> bool:
        """Whether the model has been given this text of the user, exactly."""
        return any(text in turn.said for turn in self.api.turns())

    def heard(self, text: str) -> int:
        """How often the text stands in the conversation as the model was given it last."""
        return self.last_turn().said.count(text)

    def file(self, name: str) -> Path:
        return self.cave.workspace() / name

    def screen(self) -> str:
        return self.cave.screen("shop/api/opencode")
