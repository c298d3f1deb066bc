"""Claude Code in a private world, and short words for what tests do with it."""

import json
from pathlib import Path
from typing import Any

from caving import Cave, Done, eventually
from fakes.anthropic import AnthropicApi, Turn

KEY = "sk-ant-fake-0123456789abcdefghijklmnop"
QUIET = (
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    "DISABLE_AUTOUPDATER",
    "DISABLE_ERROR_REPORTING",
    "DISABLE_TELEMETRY",
)


class Claude:
    """One project whose caves run Claude Code; ``api`` is its model."""

    def __init__(self, cave: Cave, api: AnthropicApi, program: str) -> None:
        self.cave, self.api, self.program = cave, api, program
        self.config = cave.home / "claude"
        self.config.mkdir()
        cave.environ |= dict.fromkeys(QUIET, "1")
        cave.environ |= {
            "ANTHROPIC_API_KEY": KEY,
            "ANTHROPIC_BASE_URL": api.url,
            "CLAUDE_CONFIG_DIR": str(self.config),
            "NO_PROXY": "127.0.0.1",
        }

    # -- doing ---------------------------------------------------------------------------------

    def seed(self, *, trusted: bool) -> None:
        """What Claude Code has written down once somebody has begun to use it."""
        known: dict[str, Any] = {"hasCompletedOnboarding": True}
        known["customApiKeyResponses"] = {"approved": [KEY[-20:]], "rejected": []}
        if trusted:
            known["projects"] = {str(self.cave.root): {"hasTrustDialogAccepted": True}}
        (self.config / ".claude.json").write_text(json.dumps(known))

    def declare(self, *caves: str, cave: dict[str, Any] | None = None, **agent: Any) -> None:
        """Caves of these names (``api`` if none), each with one Claude; the rest is theirs."""
        one = {"command": [self.program], "permission_mode": "default", **agent}
        document = {
            "version": 1,
            "name": "shop",
            "defaults": {**(cave or {}), "agents": {"claude": one}},
            "caves": {name: {} for name in caves or ("api",)},
        }
        self.cave.declare(json.dumps(document, indent=1))

    def up(self, *words: str, code: int = 0, **environ: str | None) -> Done:
        return self.cave.up(*words, code=code, **environ)

    def idle(self, *caves: str) -> None:
        """Start them, and wait until they have said that they wait for a prompt."""
        self.up()
        self.becomes("idle", *caves)

    def tell(self, verb: str, *words: str, code: int = 0, stdin: str = "") -> Done:
        return self.cave.run(verb, "-f", "caves.yaml", *words, code=code, stdin=stdin)

    def send(self, text: str, cave: str = "api", code: int = 0) -> Done:
        return self.tell("send", cave, "-", stdin=text, code=code)

    def press(self, *keys: str, cave: str = "api") -> None:
        """As a person at the terminal does."""
        self.cave.tmux("send-keys", "-t", f"=shop/{cave}/claude:", *keys)

    # -- seeing --------------------------------------------------------------------------------

    def row(self, cave: str = "api") -> dict[str, Any]:
        return self.cave.ps()[f"{cave}/claude"]

    def becomes(self, activity: str, *caves: str, within: str = "20s") -> None:
        """Wait for it to be said by ``wait`` where that can wait for it, else by ``ps``."""
        names = caves or ("api",)
        if activity != "working":
            goal = "idle" if activity == "idle" else "attention"
            self.tell("wait", *names, "--for", goal, "--timeout", within)
        eventually(
            lambda: [self.row(name)["activity"] for name in names] == [activity] * len(names)
        )

    def pid(self, cave: str = "api") -> int:
        return int(self.row(cave)["pid"])

    def last_turn(self) -> Turn:
        return self.api.turns()[-1]

    def asked(self, text: str) -> bool:
        """Whether the model has been given this text of the user, exactly."""
        return any(text in turn.said for turn in self.api.turns())

    def heard(self, text: str) -> int:
        """How often the text stands in the conversation as the model was given it last."""
        return self.last_turn().said.count(text)

    def file(self, name: str, cave: str = "api") -> Path:
        return self.cave.workspace(cave) / name

    def transcripts(self) -> list[Path]:
        return [*self.config.glob("projects/*/*.jsonl")]

    def screen(self, cave: str = "api") -> str:
        return self.cave.screen(f"shop/{cave}/claude")

    def typed(self, cave: str = "api") -> str | None:
        """What stands in its input box; None when none is seen."""
        screen = self.cave.tmux("capture-pane", "-p", "-t", f"=shop/{cave}/claude:")
        lines = [line[2:] for line in screen.splitlines() if line.startswith("❯\u00a0")]
        return lines[-1].strip() if lines else None
