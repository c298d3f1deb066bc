"""aider in a private world, and short words for what tests do with it."""

import json
from pathlib import Path
from typing import Any

from caving import Cave, Done, eventually
from fakes.chat import ChatApi, Turn

NOWHERE = "http://127.0.0.1:9"
PRICES = ".aider/caches/model_prices_and_context_window.json"


class Aider:
    """One project with a cave that runs aider; ``api`` is its model."""

    def __init__(self, cave: Cave, api: ChatApi, program: str) -> None:
        self.cave, self.api, self.program = cave, api, program
        prices = cave.home / PRICES
        prices.parent.mkdir(parents=True)
        prices.write_text('{"another-model": {}}')  # else it asks the network for them
        cave.environ |= {
            "OPENAI_API_BASE": f"{api.url}/v1",
            "OPENAI_API_KEY": "k",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "HTTPS_PROXY": NOWHERE,
            "NO_PROXY": "127.0.0.1",
        }

    # -- doing ---------------------------------------------------------------------------------

    def declare(self, **agent: Any) -> None:
        one = {"command": [self.program], "model": "openai/fake-model", **agent}
        caves = {"api": {"agents": {"aider": one}}}
        self.cave.declare(json.dumps({"version": 1, "name": "shop", "caves": caves}, indent=1))

    def up(self, *words: str) -> Done:
        return self.cave.up(*words)

    def tell(self, verb: str, *words: str, code: int = 0, stdin: str = "") -> Done:
        return self.cave.run(verb, "-f", "caves.yaml", *words, code=code, stdin=stdin)

    def send(self, text: str, code: int = 0) -> Done:
        return self.tell("send", "api", "-", stdin=text, code=code)

    # -- seeing --------------------------------------------------------------------------------

    def row(self) -> dict[str, Any]:
        return self.cave.ps()["api/aider"]

    def becomes(self, activity: str, within: float = 20.0) -> None:
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
        return self.cave.screen("shop/api/aider")
