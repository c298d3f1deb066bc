"""opencode in a private world, and how long it may take there."""

import json
from typing import ClassVar

from caving import Cave, Done
from driven import NOWHERE, Agent
from fakes.chat import ChatApi, Turn

QUIET = (
    "OPENCODE_DISABLE_AUTOUPDATE",
    "OPENCODE_DISABLE_LSP_DOWNLOAD",
    "OPENCODE_DISABLE_MODELS_FETCH",
)
START = 120
"""Seconds for a start with both cores loaded, up to the first prompt, which is typed."""


class OpenCode(Agent[Turn]):
    """A prompt is taken before the model is asked: ahead of the first turn after a start opencode
    makes a snapshot of the project and loads its tools. That takes 3 s, under load half a minute.
    """

    name = "opencode"
    declared: ClassVar = {
        "model": "fake/fake-model",
        "ready": {"status": True, "timeout": f"{START}s"},
    }
    patience = 55

    def __init__(self, cave: Cave, api: ChatApi, program: str) -> None:
        super().__init__(cave, api, program, **dict.fromkeys(QUIET, "1"))
        cave.environ |= {
            "HTTPS_PROXY": NOWHERE,
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

    def up(self, *words: str, code: int = 0, **environ: str | None) -> Done:
        process = self.cave.popen("up", "-f", "caves.yaml", *words, **environ)
        out, err = process.communicate(timeout=2 * START)
        assert process.returncode == code, f"up {words}: exit {process.returncode}\n{out}\n{err}"
        assert "Traceback" not in err, err
        return Done(process.returncode, out, err)
