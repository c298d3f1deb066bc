"""Write the launch files and tmux commands with which agentcave starts the agents of caves.

Run by the Python of the installed program, so that both are its very own. ``lines`` is what a
batch holds, without the marks that tell the replies apart; ``each.json`` has a process for each.
"""

import json
import os
import secrets
import shutil
import sys
from pathlib import Path

from agentcave.apply.environment import inherited
from agentcave.model.observed import Stamp
from agentcave.sessions.launch import script
from agentcave.sessions.stamp import VARIABLE, encode
from agentcave.tmux import Server, commands, scrubbed


def start(folder: Path, cave: str) -> commands.Words:
    workspace, session = folder / "w" / cave, secrets.token_hex(8)
    stamp = Stamp(
        "0123456789abcdef",
        "bench",
        str(folder / "caves.yaml"),
        cave,
        "agent",
        "command",
        str(workspace),
        secrets.token_hex(32),
        session,
        1_700_000_000,
    )
    environment = {
        **inherited(os.environ, None),
        "AGENTCAVE_WORKSPACE": str(workspace),
        "AGENTCAVE_CONTEXT": str(workspace / ".cave"),
        "AGENTCAVE_PROJECT": "bench",
        "AGENTCAVE_CAVE": cave,
        "AGENTCAVE_AGENT": "agent",
        "AGENTCAVE_SESSION_DIR": str(folder / "home/state/agentcave/bench/sessions" / session),
    }
    argv = (shutil.which("sleep") or "sleep", "infinity")
    launch = folder / "launch" / session
    launch.write_bytes(script(argv, str(workspace), environment, scrubbed(os.environ)))
    words = ("/usr/bin/env", f"{VARIABLE}={encode(stamp)}", "/bin/sh", str(launch))
    return commands.new_session(f"bench/{cave}/agent", (200, 50), words, str(workspace))


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    server = Server(os.environ["AGENTCAVE_SOCKET"])
    (folder / "launch").mkdir()
    starts = [start(folder, path.name) for path in sorted((folder / "w").iterdir())]
    (folder / "lines").write_bytes(b"".join(commands.line(words, None) for words in starts))
    (folder / "batch.json").write_text(json.dumps(server.batch_argv()))
    (folder / "each.json").write_text(json.dumps([server.argv(*words) for words in starts]))


main()
