"""A small scripted agent for a terminal, line by line: the one that needs no account.

Its own program: standard library only, and nothing of any room.
"""

import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

from agentcave.demo_children import SPAWNS, fork_apart, spawn, storm
from agentcave.demo_terminal import Events, Gone, Terminal

PROMPT = "> "
BOUND = 1 << 16
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
USAGE = """\
usage: agentcave demo-agent [--script "DIRECTIVE; …"] [PROMPT]

A prompt whose first word is a directive is carried out, any other is answered:
  work 3s         show progress                    ask [TEXT]       wait for an answer
  approve TEXT    ask for y or n                   finish           write results-summary.md, exit 0
  fail | exit N   exit 1 | exit N                  crash            die of SIGSEGV
  ignore SIGNAL…  TERM, HUP, INT, …                print TEXT       print it
  flood N         print N lines                    echo TEXT        answer
  spawn HOW [N]   children that outlive it: nohup setsid double-fork clean-env stubborn orphan stray
  fork-storm N    N processes, each born of the one before
"""


class Ended(BaseException):
    """The agent is to end with this exit code, wherever it is."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Context:
    """The Working Context in ``$AGENTCAVE_CONTEXT``; what cannot be read or written is said."""

    def __init__(self, folder: str | None, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._say = say
        self._refused: set[str] = set()

    def summary(self, name: str) -> str:
        """The first line that is not a heading."""
        lines = [line.strip() for line in self._read(name).splitlines()]
        telling = [line for line in lines if line and not line.startswith("#")]
        return plain(telling[0] if telling else "(empty)")[:120]

    def log(self, entry: str) -> None:
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        self._write("working-log.md", f"- {now} {plain(entry)}\n", os.O_APPEND)

    def finish(self, prompts: int) -> None:
        today = time.strftime("%Y-%m-%d")
        text = f"# Results\n\nFinished on {today} after {prompts} prompt(s).\n"
        self._write("results-summary.md", text, os.O_TRUNC)

    def _read(self, name: str) -> str:
        if self._folder is None:
            return "AGENTCAVE_CONTEXT is not set"
        try:
            descriptor = os.open(os.path.join(self._folder, name), os.O_RDONLY | os.O_NONBLOCK)
        except OSError as exc:
            return f"cannot read {name}: {exc.strerror}"
        try:
            return os.read(descriptor, BOUND).decode(errors="replace")
        except OSError as exc:
            return f"cannot read {name}: {exc.strerror}"
        finally:
            os.close(descriptor)

    def _write(self, name: str, text: str, how: int) -> None:
        if self._folder is None:
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | how
        try:
            descriptor = os.open(os.path.join(self._folder, name), flags, 0o644)
        except OSError as exc:
            self._refuse(name, exc)
            return
        try:
            os.write(descriptor, text.encode(errors="replace"))
        except OSError as exc:
            self._refuse(name, exc)
        finally:
            os.close(descriptor)

    def _refuse(self, name: str, error: OSError) -> None:
        if name not in self._refused:
            self._refused.add(name)
            self._say(f"! cannot write {name}: {error.strerror}\n")


class Agent:
    """Answers prompts until it is told to end."""

    def __init__(self, terminal: Terminal, context: Context, events: Events) -> None:
        self._terminal = terminal
        self._context = context
        self._events = events
        self._prompts = 0
        self._directives: dict[str, Callable[[str], None]] = {
            "work": self._work,
            "ask": self._ask,
            "approve": self._approve,
            "fail": lambda _: self._exit("1"),
            "exit": self._exit,
            "crash": self._crash,
            "finish": self._finish,
            "ignore": self._ignore,
            "spawn": self._spawn,
            "fork-storm": self._fork_storm,
            "print": lambda text: self._say(f"{plain(text)}\n"),
            "flood": self._flood,
            "echo": self._answer,
        }

    def greet(self) -> None:
        cave = plain(os.environ.get("AGENTCAVE_CAVE", "no cave"))
        agent = plain(os.environ.get("AGENTCAVE_AGENT", "demo"))
        self._say(f"agentcave demo agent: {cave}/{agent}\n")
        for name in ("background.md", "plan.md"):
            self._say(f"  {name}: {self._context.summary(name)}\n")

    def obey(self, prompt: str) -> None:
        """Carry out one prompt; Ctrl-C interrupts it."""
        if not prompt.strip():
            return
        self._prompts += 1
        self._context.log(f"prompt: {prompt.strip()}")
        self._events.status("working", prompt.strip())
        self._events.prompt(prompt)
        word, _, rest = prompt.strip().partition(" ")
        try:
            if directive := self._directives.get(word):
                directive(rest.strip())
            else:
                self._answer(prompt.strip())
        except KeyboardInterrupt:
            self._say("\n* interrupted\n")
        except (OSError, ValueError) as exc:
            self._say(f"! cannot {plain(word)}: {plain(str(exc))}\n")

    def converse(self) -> None:
        while True:
            try:
                self._say(PROMPT)
                self._events.status("idle")
                line = self._terminal.line()
            except KeyboardInterrupt:
                self._say("\n")
                continue
            if line is None:
                return
            self.obey(line)

    def end_by(self, number: int, _frame: object) -> NoReturn:
        """The handler of TERM and HUP."""
        self._context.log(f"ended by {signal.Signals(number).name}")
        raise Ended(128 + number)

    def _say(self, text: str) -> None:
        self._terminal.say(text)

    def _answer(self, text: str) -> None:
        self._say(f"You said: {plain(text)}\n")

    def _work(self, duration: str) -> None:
        total = seconds(duration or "1s")
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < total:
            self._say(f"* working {passed:.1f}/{total:g}s (Ctrl-C to interrupt)\n")
            time.sleep(min(0.5, total - passed))
        self._say("* done\n")

    def _ask(self, text: str) -> None:
        question = plain(text) or "Which way shall I go?"
        self._say(f"? {question}\nanswer: ")
        answer = self._heard("question", question)
        self._say(f"* answered: {plain(answer)}\n")

    def _approve(self, text: str) -> None:
        wish = plain(text) or "do this"
        self._say(f"! May I {wish}?\napprove [y/n]: ")
        while (answer := self._heard("approval", wish).strip().lower()) not in (
            "y",
            "yes",
            "n",
            "no",
        ):
            self._say("approve [y/n]: ")
        self._say("* approved\n" if answer.startswith("y") else "* denied\n")

    def _heard(self, activity: str, reason: str) -> str:
        self._events.status(activity, reason)
        line = self._terminal.line()
        self._events.status("working")
        if line is None:
            raise Ended(0)
        self._context.log(f"heard: {line}")
        return line

    def _exit(self, code: str) -> None:
        raise Ended(int(code or "0") & 0xFF)

    def _crash(self, _: str) -> None:
        self._terminal.restore()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGSEGV)

    def _finish(self, _: str) -> None:
        self._context.finish(self._prompts)
        self._say("* finished\n")
        raise Ended(0)

    def _ignore(self, names: str) -> None:
        for name in names.upper().split():
            signal.signal(signal_named(name), signal.SIG_IGN)
        self._say(f"* ignoring {plain(names)}\n")

    def _spawn(self, words: str) -> None:
        how, _, number = words.partition(" ")
        if how not in SPAWNS:
            raise ValueError(f"spawn one of: {', '.join(SPAWNS)}")
        pids = [spawn(how) for _ in range(int(number or "1"))]
        self._say(f"* spawned {how}: {' '.join(map(str, pids))}\n")

    def _fork_storm(self, number: str) -> None:
        pid = fork_apart(lambda: storm(int(number)))
        self._say(f"* storm of {int(number)} begun: {pid}\n")

    def _flood(self, number: str) -> None:
        for line in range(1, int(number) + 1):
            self._say(f"flood {line}\n")


def plain(text: str) -> str:
    """The text with every control character spelled out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def seconds(duration: str) -> float:
    """``3s``, ``500ms``, ``2m``, or a number of seconds."""
    number = duration.rstrip("smh")
    return float(number) * UNITS[duration[len(number) :] or "s"]


def signal_named(name: str) -> signal.Signals:
    try:
        return signal.Signals["SIG" + name.removeprefix("SIG")]
    except KeyError:
        raise ValueError(f"{name} is not a signal") from None


def main(argv: Sequence[str]) -> int:
    """Run the agent on the standard streams; its exit code."""
    script: list[str] = []
    words = list(argv)
    if words and words[0] in ("-h", "--help"):
        os.write(1, USAGE.encode())
        return 0
    if words and words[0].partition("=")[0] == "--script":
        flag = words.pop(0)
        text = flag.partition("=")[2] if "=" in flag else words.pop(0) if words else ""
        script = [each.strip() for each in text.split(";")]
    if words and words[0] == "--":
        words.pop(0)
    if len(words) > 1 or (words and words[0].startswith("--")):
        os.write(2, USAGE.encode())
        return 64
    return run([*script, *words])


def run(prompts: Sequence[str]) -> int:
    context, folder = (os.environ.get(f"AGENTCAVE_{name}") for name in ("CONTEXT", "SESSION_DIR"))
    try:
        with Terminal() as terminal:
            agent = Agent(terminal, Context(context, terminal.say), Events(folder))
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, agent.end_by)
            agent.greet()
            for prompt in prompts:
                terminal.say(f"{PROMPT}{plain(prompt)}\n")
                agent.obey(prompt)
            agent.converse()
    except Ended as ended:
        return ended.code
    except Gone:
        return 128 + signal.SIGHUP
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
