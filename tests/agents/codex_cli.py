"""Codex in a private world, and short words for what tests do with it."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from caving import Cave, Done, environment_of, eventually
from fakes.directives import tool
from fakes.responses import ResponsesApi, Turn

CONFIG = """\
# what somebody has written who uses a model of their own
model = "fake-model"
model_provider = "fake"

[model_providers.fake]
name = "fake"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "FAKE_KEY"
request_max_retries = 2
stream_max_retries = 2

[analytics]
enabled = false
"""


@contextmanager
def private_home() -> Iterator[Path]:
    """A folder for CODEX_HOME. Codex does not work fully where it lies under a temporary one."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "agentcave-agents"
    caches.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="codex-home-", dir=caches))
    try:
        yield home
    finally:
        shutil.rmtree(home)


def run(command: str) -> str:
    """What makes the model ask to run a command outside the sandbox: that needs approval."""
    asked = {"sandbox_permissions": "require_escalated", "justification": "a fake reason"}
    return tool("exec_command", {"cmd": command, **asked})


class Codex:
    """One project whose cave runs Codex; ``api`` is its model."""

    def __init__(self, cave: Cave, home: Path, api: ResponsesApi, program: str) -> None:
        self.cave, self.api, self.program = cave, api, program
        self.config = home / "config.toml"
        self.config.write_text(CONFIG.format(url=api.url))
        cave.environ |= {"CODEX_HOME": str(home), "FAKE_KEY": "fake", "NO_PROXY": "127.0.0.1"}

    # -- doing ---------------------------------------------------------------------------------

    def declare(self, **agent: Any) -> None:
        """One cave with one Codex, whose folder is trusted if nothing else is said."""
        one = {"type": "codex", "command": [self.program], "permission_mode": "on-request"}
        agents = {"codex": {**one, "trust_workspace": True, **agent}}
        document = {"version": 1, "name": "shop", "caves": {"api": {"agents": agents}}}
        self.cave.declare(json.dumps(document, indent=1))

    def begin(self, prompt: str) -> None:
        """Start it with a first prompt, and wait for the answer."""
        self.declare(prompt=prompt.replace("$", "$$"))
        self.cave.up()
        eventually(lambda: self.asked(prompt))
        self.becomes("idle")

    def tell(self, verb: str, *words: str, code: int = 0, stdin: str = "") -> Done:
        return self.cave.run(verb, "-f", "caves.yaml", *words, code=code, stdin=stdin)

    def send(self, text: str, code: int = 0) -> Done:
        return self.tell("send", "api", "-", stdin=text, code=code)

    # -- seeing --------------------------------------------------------------------------------

    def row(self) -> dict[str, Any]:
        return self.cave.ps()["api/codex"]

    def becomes(self, activity: str) -> None:
        """Wait for it to be said by ``wait``, then by ``ps``."""
        goal = "idle" if activity == "idle" else "attention"
        self.tell("wait", "api", "--for", goal, "--timeout", "20s")
        eventually(lambda: self.row()["activity"] == activity)

    def asked(self, text: str) -> bool:
        """Whether the model has been given this text of the user, exactly."""
        return any(text in turn.said for turn in self.api.turns())

    def last_turn(self) -> Turn:
        return self.api.turns()[-1]

    def processes(self) -> list[int]:
        """Of the session: Codex is a pair of them, and what it runs."""
        found = self.cave.processes()
        return [pid for pid in found if b"AGENTCAVE_SESSION_DIR=" in environment_of(pid)]

    def file(self, name: str) -> Path:
        return self.cave.workspace() / name

    def screen(self) -> str:
        return self.cave.screen("shop/api/codex")
