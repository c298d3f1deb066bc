"""tmux and git behind wrappers that log each call, and do harm at one of them."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from caving import Cave

PROGRAMS = ("tmux", "git")
CALLER = (
    'case $(tr "\\0" " " <"/proc/$PPID/cmdline") in *agentcave*) kill -s "$signal" "$PPID" ;; esac'
)
SERVER = f'case $* in *" -D") {CALLER}; exec "$real" "$@" ;; esac'
"""A tmux server is a call that does not return: after it comes the same as meanwhile."""
NO_TERMINAL = "create session failed: fork failed: No space left on device"
REFUSING = f"sed 's/^new-session .*/source-file \"{NO_TERMINAL}\"/'"
HARMS: Mapping[str, str] = {
    "before": f"{CALLER}; exit 1",
    "meanwhile": f'{CALLER}; exec "$real" "$@"',
    "late": f'{CALLER}; sleep 0.7; exec "$real" "$@"',
    "after": f'{SERVER}; "$real" "$@"; {CALLER}; exit 1',
    "fails": "echo 'it does not feel like it' >&2; exit 1",
    "hangs": "exec sleep 300",
    "babbles": "printf 'gar\\tbage\\n\\033]0;x\\007 1 2 3 \\377\\376 %s\\n' '$(id)'; exit 0",
    "silent": "exit 0",
    "dies": "kill -9 $$",
    "exhausts": f'case $* in *source-file*) {REFUSING} | "$real" "$@"; exit ;; esac',
}
"""What happens at the call that was chosen; the first four kill the agentcave that called.

``exhausts``: tmux refuses to make sessions, as it does without pseudo terminals, with such words.
"""

SCRIPT = """\
#!/bin/sh
set -C
real={real} signal={signal}
n=1
while ! {{ printf '%s\\n' "{name} $*" >"{log}/$n"; }} 2>/dev/null && [ "$n" -lt 999 ]; do
    n=$((n + 1))
done
if {condition}; then
    {harm}
fi
exec "$real" "$@"
"""


class Calls(NamedTuple):
    """``path``: the PATH under which programs are wrapped."""

    path: str
    log: Path

    def made(self) -> list[str]:
        """Each call as a line, in their order."""
        tickets = sorted((int(one.name), one) for one in self.log.iterdir())
        return [ticket.read_text(errors="replace").rstrip("\n") for _, ticket in tickets]

    def mutating(self) -> list[str]:
        return [call for call in self.made() if not is_reading(call)]


def wrap(cave: Cave, condition: str = "false", harm: str = "after", signal: str = "KILL") -> Calls:
    """Put wrappers first in PATH; ``condition`` is shell, about ``$n`` (the call's number).

    ``signal``: what the caller gets, of the harms that kill it.
    """
    folder = cave.home / f"wrapped-{len(list(cave.home.glob('wrapped-*')))}"
    log = folder / "calls"
    log.mkdir(parents=True)
    for name in PROGRAMS:
        text = SCRIPT.format(
            real=shutil.which(name),
            signal=signal,
            name=name,
            log=log,
            condition=condition,
            harm=HARMS[harm],
        )
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return Calls(f"{folder}:{os.environ['PATH']}", log)


def is_reading(call: str) -> bool:
    """Whether a call changes nothing, by its words."""
    program, _, words = call.partition(" ")
    if program == "git":
        return "--no-optional-locks" in words or words.startswith(("--version", "version"))
    reading = ("list-panes", "capture-pane -p", "display-message -p", "show-environment", "-V")
    return any(word in words for word in reading) and "source-file" not in words
