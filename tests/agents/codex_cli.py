"""Codex in a private world, and what it has written down there."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from caving import Cave
from driven import Agent
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


class Codex(Agent[Turn]):
    """Its folder is trusted if nothing else is said."""

    name = "codex"
    declared: ClassVar = {"permission_mode": "on-request", "trust_workspace": True}

    def __init__(self, cave: Cave, home: Path, api: ResponsesApi, program: str) -> None:
        super().__init__(cave, api, program, CODEX_HOME=str(home), FAKE_KEY="fake")
        self.config = home / "config.toml"
        self.config.write_text(CONFIG.format(url=api.url))
