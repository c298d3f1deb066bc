"""A stand-in for Claude Code, with its worst moments on request; standard library only.

It keeps to what an adapter builds on: ``--session-id`` and ``--resume``, hooks from ``--settings``
run by /bin/sh with JSON on stdin, ``sessions/<pid>.json``, a transcript, an input box whose line
begins with a mark and a no-break space, dialogs answered by digits and Escape, pastes in frames,
prompts queued while it works (tests/agents holds the real one to the same tests).

Prompts: ``@@bash TEXT@@`` asks for approval, ``@@ask@@`` asks a question, ``@@slow SECONDS@@``
works so long, ``@@fail ERROR@@`` ends the turn with that error. SCRIPTED_CHAOS, ``name=chance``
separated by commas: ``swallow`` the first Enter, ``late`` paste, ``dialog`` between the paste and
Enter, ``lag`` of the status file, ``slow`` turns; ``seed=NUMBER``; ``start=SECONDS`` until it is
ready; ``lie`` puts dialog text into the history. What truly happened goes to SCRIPTED_LOG.
"""

import json
import os
import random
import re
import select
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Callable
from typing import Any

MARK = "❯\u00a0"
PASTE, PASTED = "\x1b[200~", "\x1b[201~"
DIRECTIVE = re.compile(r"@@(\w+) ?(.*?)@@", re.DOTALL)
GUARD = 0.25
"""Seconds in which a dialog that has just come up ignores keys."""


class Options:
    def __init__(self, argv: list[str]) -> None:
        self.prompt = ""
        if "--" in argv:
            cut = argv.index("--")
            self.prompt, argv = argv[cut + 1], argv[:cut]
        self.flags = dict(zip(argv[::2], argv[1::2], strict=False))
        self.resume = "--resume" in self.flags
        self.session = self.flags.get("--resume") or self.flags.get("--session-id", "")
        with open(self.flags["--settings"], encoding="utf-8") as file:
            self.hooks = json.load(file)["hooks"]


class Chaos:
    def __init__(self, text: str) -> None:
        pairs = dict(one.partition("=")[::2] for one in text.split(",") if one)
        self._random = random.Random(int(pairs.pop("seed", "0")))
        self.start = float(pairs.pop("start", "0"))
        self._chances = {name: float(value or 1) for name, value in pairs.items()}

    def strikes(self, name: str) -> bool:
        return self._random.random() < self._chances.get(name, 0.0)

    def some(self, most: float) -> float:
        return self._random.random() * most


class Files:
    """The status file, the transcript and the log of what truly happened."""

    def __init__(self, options: Options) -> None:
        home = os.environ.get("CLAUDE_CONFIG_DIR") or os.environ["HOME"] + "/.claude"
        slug = re.sub(r"[^A-Za-z0-9]", "-", os.getcwd())
        self.transcript = f"{home}/projects/{slug}/{options.session}.jsonl"
        self.live = f"{home}/sessions/{os.getpid()}.json"
        self._session = options.session
        self._log = os.environ.get("SCRIPTED_LOG", os.devnull)
        for path in (self.transcript, self.live):
            os.makedirs(os.path.dirname(path), exist_ok=True)

    def status(self, status: str, waiting: str = "", at: float | None = None) -> None:
        with open("/proc/self/stat", encoding="utf-8") as file:
            start = file.read().rpartition(")")[2].split()[19]
        said: dict[str, Any] = {"pid": os.getpid(), "sessionId": self._session, "procStart": start}
        said |= {"status": status, "statusUpdatedAt": int((at or time.time()) * 1000)}
        if waiting:
            said["waitingFor"] = waiting
        with open(f"{self.live}.new", "w", encoding="utf-8") as file:
            json.dump(said, file)
        os.replace(f"{self.live}.new", self.live)

    def log(self, kind: str, text: str) -> None:
        for path in (self._log, self.transcript):
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps({"kind": kind, "text": text}) + "\n")


class Program:
    def __init__(self, options: Options, chaos: Chaos) -> None:
        self.options, self.chaos, self.files = options, chaos, Files(options)
        self.history = ["scripted"]
        self.box = ""
        self.dialog: tuple[str, str, float] | None = None  # kind, what, since
        self.queue: list[str] = []
        self.busy_until: float | None = None
        self.swallow = False
        self.told = 0.0
        self.hooks: list[tuple[list[subprocess.Popen[bytes]], Callable[[], None]]] = []
        self.due: list[tuple[float, Callable[[], None]]] = []

    # -- telling -------------------------------------------------------------------------------

    def hook(self, event: str, **said: Any) -> None:
        for process in self.begin_hook(event, **said):
            process.wait()

    def begin_hook(self, event: str, **said: Any) -> "list[subprocess.Popen[bytes]]":
        values = {"session_id": self.options.session, "hook_event_name": event, **said}
        lines = [one["command"] for group in self.options.hooks[event] for one in group["hooks"]]
        begun = []
        for line in lines:
            process = subprocess.Popen(["/bin/sh", "-c", line], stdin=subprocess.PIPE)
            assert process.stdin is not None
            process.stdin.write(json.dumps(values).encode())
            process.stdin.close()
            begun.append(process)
        return begun

    def tell(self, status: str, waiting: str = "") -> None:
        """Late at times, and never out of order."""
        lag = self.chaos.some(0.2) if self.chaos.strikes("lag") else 0.0
        self.told = max(self.told, time.monotonic() + lag)
        at = time.time()
        self.after(self.told - time.monotonic(), lambda: self.files.status(status, waiting, at))

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        self.due.append((time.monotonic() + seconds, do))

    def draw(self) -> None:
        lines = self.history[-20:]
        if self.dialog is not None:
            kind, what, _ = self.dialog
            lines += ["", "Which?" if kind == "question" else " Bash command", f" {what}"]
            lines += ["Do you want to proceed?", "❯ 1. Yes", "  2. No", " Esc to cancel"]
        else:
            lines += ["─" * 40, *f"{MARK}{self.box}".split("\n"), "─" * 40]
        text = "\r\n".join(lines)
        os.write(1, f"\x1b]2;✳ scripted\x07\x1b[H\x1b[2J{text}".encode())

    # -- turns ---------------------------------------------------------------------------------

    def submit(self, text: str) -> None:
        framed = f'\n\n<pasted_content id="7f">\n{text}\n</pasted_content id="7f">\n'
        said = framed if text.count("\n") > 2 or len(text) > 800 else text
        self.files.log("prompt", text)
        self.hook("UserPromptSubmit", prompt=said)
        if self.busy_until is not None:
            self.queue.append(text)
        else:
            self.begin(text)

    def begin(self, text: str) -> None:
        self.history.append(f"❯ {text.splitlines()[0] if text else ''}")
        if self.chaos.strikes("lie"):
            self.history += ["Do you want to proceed?", "❯ 1. Yes", " Esc to cancel"]
        verb, what = (DIRECTIVE.search(text) or re.match("()()", "")).groups()  # type: ignore[union-attr]
        if verb in ("bash", "ask"):
            self.open(verb, what)
            return
        self.tell("busy")
        slow = float(what) if verb == "slow" else self.chaos.strikes("slow") * self.chaos.some(1.0)
        self.busy_until = time.monotonic() + 0.05 + slow
        if verb == "fail":
            self.after(0.05, lambda: self.fail(what))

    def fail(self, error: str) -> None:
        self.busy_until = None
        self.hook("StopFailure", error=error)
        self.tell("idle")

    def end(self) -> None:
        self.busy_until = None
        self.hook("Stop")
        self.tell("idle")
        if self.queue:
            self.begin(self.queue.pop(0))

    def open(self, verb: str, what: str) -> None:
        options = [{"label": "Red"}, {"label": "Blue"}]
        asked: dict[str, Any] = {"questions": [{"question": "Which?", "options": options}]}
        tool, given = ("AskUserQuestion", asked) if verb == "ask" else ("Bash", {"command": what})
        kind = "question" if verb == "ask" else "approval"

        def appear() -> None:
            self.tell("waiting", "input needed" if verb == "ask" else "permission prompt")
            self.dialog = (kind, what, time.monotonic())

        # The input box takes keys as long as the hook runs.
        running = self.begin_hook("PermissionRequest", tool_name=tool, tool_input=given)
        self.hooks.append((running, appear))

    def answer(self, said: str) -> None:
        assert self.dialog is not None
        kind, what, since = self.dialog
        if time.monotonic() - since < GUARD and said != "Enter":
            return
        self.dialog = None
        self.files.log(f"{kind} {said}", what)
        if said == "Escape":
            self.busy_until = None
            self.tell("idle")
        else:
            self.tell("busy")
            self.busy_until = time.monotonic() + 0.05

    # -- keys ----------------------------------------------------------------------------------

    def pasted(self, text: str) -> None:
        def arrive() -> None:
            if self.dialog is None:  # a dialog ignores what is pasted
                self.box += text

        self.swallow = self.chaos.strikes("swallow")
        self.after(self.chaos.some(0.6), arrive) if self.chaos.strikes("late") else arrive()
        if self.chaos.strikes("dialog"):
            self.after(self.chaos.some(0.4), lambda: self.surprise())

    def surprise(self) -> None:
        if self.dialog is None and not self.hooks:
            self.open("bash", "surprise")

    def key(self, key: str) -> None:
        if self.dialog is not None:
            answers = {"1": "1", "2": "2", "\r": "Enter", "\x1b": "Escape"}
            if key in answers:
                self.answer(answers[key])
        elif key == "\r":
            if self.swallow:
                self.swallow = False
            elif self.box:
                text, self.box = self.box, ""
                self.submit(text)
        elif key == "\x15":
            self.box = ""
        elif key.isprintable():
            self.box += key

    def feed(self, data: str) -> None:
        while data:
            if data.startswith(PASTE) and PASTED in data:
                text, _, data = data[len(PASTE) :].partition(PASTED)
                self.pasted(text.replace("\r", "\n"))
            elif data.startswith(PASTE):
                data += read()
            else:
                self.key(data[0])
                data = data[1:]

    def run(self) -> int:
        time.sleep(self.chaos.start)
        termios.tcflush(0, termios.TCIFLUSH)  # what was typed before is lost
        os.write(1, b"\x1b[?2004h")
        source = "resume" if self.options.resume else "startup"
        self.hook("SessionStart", source=source)
        self.files.status("idle")
        if self.options.prompt:
            self.submit(self.options.prompt)
        while True:
            self.draw()
            ready, _, _ = select.select([0], [], [], 0.001 if self.hooks else 0.02)
            if ready:
                data = read()
                if not data:
                    return 129
                self.feed(data)
            for begun in [
                begun for begun in self.hooks if all(p.poll() is not None for p in begun[0])
            ]:
                self.hooks.remove(begun)
                begun[1]()
            now = time.monotonic()
            for one in sorted([one for one in self.due if one[0] <= now], key=lambda one: one[0]):
                self.due.remove(one)
                one[1]()
            if self.busy_until is not None and now >= self.busy_until and self.dialog is None:
                self.end()


def read() -> str:
    try:
        return os.read(0, 1 << 16).decode(errors="replace")
    except OSError:
        return ""


def main() -> int:
    options = Options(sys.argv[1:])
    program = Program(options, Chaos(os.environ.get("SCRIPTED_CHAOS", "")))
    if options.resume and not os.path.exists(program.files.transcript):
        os.write(1, f"No conversation found with session ID: {options.session}\r\n".encode())
        time.sleep(0.3)
        return 1
    tty.setraw(0)
    return program.run()


if __name__ == "__main__":
    sys.exit(main())
