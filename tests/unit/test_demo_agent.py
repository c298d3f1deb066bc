"""The demo agent, as a terminal and other tests drive it: a process with lines in and lines out."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from caving import eventually
from hypothesis import given
from hypothesis import strategies as st

from agentcave.demo_agent import plain, seconds
from agentcave.demo_children import SPAWNS, TWICE_FORKED
from agentcave.hosts.processes import family, identify, look, snapshot

RUN = Callable[..., "Talk"]


class Talk:
    """One running agent and what it has said."""

    def __init__(self, words: tuple[str, ...], context: Path | None, **more: str) -> None:
        environ = {k: v for k, v in os.environ.items() if not k.startswith("AGENTCAVE_")}
        environ |= {"AGENTCAVE_CAVE": "api", "AGENTCAVE_AGENT": "demo", **more}
        if context is not None:
            environ["AGENTCAVE_CONTEXT"] = str(context)
        self.said = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "agentcave.demo_agent", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environ,
        )

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        os.write(self.process.stdin.fileno(), f"{line}\n".encode())

    def until(self, pattern: str, seconds: float = 10) -> re.Match[str]:
        """Wait for the pattern, and forget what came before its end."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + seconds
        while not (match := re.search(pattern, self.said)):
            left = deadline - time.monotonic()
            ready = select.select([self.process.stdout], [], [], max(0.0, left))[0]
            chunk = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            assert chunk, f"{pattern!r} never came: {self.said!r}"
            self.said += chunk.decode()
        self.said = self.said[match.end() :]
        return match

    def end(self) -> tuple[int, str]:
        """Close its input and wait; the exit code and the rest of what it said."""
        out, _ = self.process.communicate(timeout=10)
        return self.process.returncode, self.said + out.decode()


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "background.md").write_text("# Background\n\nRewrite the checkout.\n")
    (tmp_path / "plan.md").write_text("# Plan\n1. Read\n")
    return tmp_path


@pytest.fixture
def run(context: Path) -> Iterator[RUN]:
    talks: list[Talk] = []

    def begin(*words: str, context: Path | None = context) -> Talk:
        talks.append(Talk(words, context))
        return talks[-1]

    yield begin
    for talk in talks:
        with talk.process as process:
            process.kill()


def test_it_says_who_it_is_and_what_it_is_to_do(run: RUN) -> None:
    code, said = run().end()
    assert code == 0
    assert said == (
        "agentcave demo agent: api/demo\n"
        "  background.md: Rewrite the checkout.\n"
        "  plan.md: 1. Read\n"
        "> "
    )


def test_it_answers_every_line_and_keeps_a_log(run: RUN, context: Path) -> None:
    talk = run("first prompt")
    talk.until("You said: first prompt\n> ")
    talk.tell("second prompt")
    talk.until("You said: second prompt\n> ")
    log = (context / "working-log.md").read_text().splitlines()
    assert [re.sub(r"^- [\d-]+ [\d:]+ ", "", line) for line in log] == [
        "prompt: first prompt",
        "prompt: second prompt",
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_a_paste_is_one_prompt_however_it_comes(run: RUN, size: int) -> None:
    talk = run()
    data = "\x1b[200~one\r\ntwo\rthree ü\x1b[201~ four\n".encode()
    assert talk.process.stdin is not None
    for start in range(0, len(data), size):
        os.write(talk.process.stdin.fileno(), data[start : start + size])
    talk.until(r"You said: one\\ntwo\\nthree ü four\n> ")


def test_a_paste_that_never_ends_is_a_prompt_at_the_end_of_the_input(run: RUN) -> None:
    talk = run()
    talk.tell("\x1b[200~half")
    code, said = talk.end()
    assert code == 0
    assert "You said: half" in said


def test_it_tells_what_it_does_as_any_program_may(context: Path, tmp_path: Path) -> None:
    talk = Talk(("approve it",), context, AGENTCAVE_SESSION_DIR=str(tmp_path))
    with talk.process as process:
        talk.until(r"approve \[y/n\]: ")
        eventually(lambda: said(tmp_path, "status").get("activity") == "approval")
        first = said(tmp_path, "status")
        assert (first["reason"], said(tmp_path, "prompt")) == ("it", {"prompt": "approve it"})
        talk.tell("y")
        talk.until("approved\n> ")
        eventually(lambda: said(tmp_path, "status").get("activity") == "idle")
        assert said(tmp_path, "status")["id"] != first["id"]
        assert sorted(path.name for path in tmp_path.glob("*.event*")) == [
            "prompt.event",
            "status.event",
        ]
        process.kill()


def said(folder: Path, kind: str) -> dict[str, str]:
    path = folder / f"{kind}.event"
    found: dict[str, str] = json.loads(path.read_bytes()) if path.exists() else {}
    return found


def test_a_script_runs_first(run: RUN) -> None:
    talk = run("--script", "print one; work 100ms; finish")
    talk.until("one\n> work 100ms\n")
    talk.until(r"\* working 0\.\d/0\.1s .*\n\* done\n")
    assert talk.end()[0] == 0


def test_finish_writes_the_results(run: RUN, context: Path) -> None:
    assert run("finish").end()[0] == 0
    assert "after 1 prompt(s)" in (context / "results-summary.md").read_text()


@pytest.mark.parametrize(("prompt", "code"), [("fail", 1), ("exit 7", 7), ("crash", -11)])
def test_it_ends_as_it_is_told(run: RUN, prompt: str, code: int) -> None:
    assert run(prompt).end()[0] == code


def test_it_asks_and_waits_for_the_answer(run: RUN) -> None:
    talk = run("ask Red or blue?")
    talk.until(r"\? Red or blue\?\nanswer: ")
    talk.tell("exit 3")
    talk.until(r"\* answered: exit 3\n> ")


@pytest.mark.parametrize(("answer", "said"), [("y", "approved"), ("no", "denied")])
def test_it_asks_for_approval_until_it_is_answered(run: RUN, answer: str, said: str) -> None:
    talk = run("approve rm -r build")
    talk.until(r"! May I rm -r build\?\napprove \[y/n\]: ")
    talk.tell("perhaps")
    talk.until(r"approve \[y/n\]: ")
    talk.tell(answer)
    talk.until(rf"\* {said}\n> ")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_it_with_a_line_in_the_log(
    run: RUN, context: Path, number: signal.Signals, code: int
) -> None:
    talk = run("work 1m")
    talk.until("working")
    talk.process.send_signal(number)
    assert talk.end()[0] == code
    assert f"ended by {number.name}" in (context / "working-log.md").read_text()


def test_ctrl_c_interrupts_the_directive_only(run: RUN) -> None:
    talk = run("work 1m")
    talk.until("working")
    talk.process.send_signal(signal.SIGINT)
    talk.until(r"\* interrupted\n> ")
    talk.process.send_signal(signal.SIGINT)
    talk.until("\n> ")
    talk.tell("still there?")
    talk.until("You said: still there")


def test_an_ignored_signal_changes_nothing(run: RUN) -> None:
    talk = run("ignore term HUP")
    talk.until("ignoring term HUP\n> ")
    talk.process.send_signal(signal.SIGTERM)
    talk.process.send_signal(signal.SIGHUP)
    talk.tell("alive?")
    talk.until("You said: alive")


def test_control_characters_are_spelled_out(run: RUN) -> None:
    talk = run("print red \x1b[31m\x07")
    talk.until(re.escape(r"red \x1b[31m\x07"))
    assert "\x1b" not in talk.end()[1]


@given(st.text())
def test_plain_text_is_printable(text: str) -> None:
    assert plain(text).isprintable()


@pytest.mark.parametrize(
    ("duration", "expected"), [("3s", 3), ("500ms", 0.5), ("2m", 120), ("1h", 3600), ("1.5", 1.5)]
)
def test_durations(duration: str, expected: float) -> None:
    assert seconds(duration) == expected


@pytest.mark.parametrize(
    "prompt", ["work soon", "work 3x", "ignore NOTHING", "spawn quietly", "flood many", "exit x"]
)
def test_a_directive_that_makes_no_sense_is_said_and_survived(run: RUN, prompt: str) -> None:
    talk = run(prompt)
    talk.until(rf"! cannot {prompt.split()[0]}: .+\n> ")
    assert talk.end()[0] == 0


def test_a_missing_context_is_said_and_survived(run: RUN, tmp_path: Path) -> None:
    talk = run("one", context=tmp_path / "gone")
    talk.until("background.md: cannot read background.md: No such file or directory")
    talk.until("! cannot write working-log.md: No such file or directory\n")
    talk.tell("two")
    talk.until("You said: two\n")
    assert "cannot write" not in talk.said
    assert run(context=None).end()[1].count("AGENTCAVE_CONTEXT is not set") == 2


def test_a_log_that_cannot_be_written_is_said_and_survived(run: RUN, context: Path) -> None:
    (context / "working-log.md").mkdir()
    code, said = run("one").end()
    assert code == 0
    assert "! cannot write working-log.md: Is a directory" in said
    assert "Traceback" not in said


def test_a_terminal_that_is_gone_ends_it_without_a_traceback(run: RUN) -> None:
    talk = run("work 1m")
    talk.until("working")
    assert talk.process.stdout is not None
    talk.process.stdout.close()
    assert talk.process.wait(timeout=10) == 129


def test_a_flood_comes_whole(run: RUN) -> None:
    assert re.findall(r"flood (\d+)\n", run("flood 5000").end()[1])[-1] == "5000"


@pytest.mark.parametrize("how", SPAWNS)
def test_a_child_is_what_it_is_said_to_be(run: RUN, how: str) -> None:
    talk = run(f"spawn {how}")
    child = int(talk.until(r"spawned \S+: (\d+)\n")[1])
    root = identify(talk.process.pid)
    try:
        deadline = time.monotonic() + 10
        while not (
            (process := look(child)) and process.command == "sleep" and process.state == "S"
        ):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert process is not None
        ignored = int(
            re.findall(r"SigIgn:\s*(\w+)", Path(f"/proc/{child}/status").read_text())[0], 16
        )
        assert all(ignored & 1 << number - 1 for number in SPAWNS[how])
        assert (process.session == child) == (how not in ("nohup", "stubborn"))
        assert (process.parent == talk.process.pid) == (how not in TWICE_FORKED)
        cleaned = Path(f"/proc/{child}/environ").read_bytes() == b""
        assert cleaned == (how in ("clean-env", "orphan", "stray"))
        assert (os.readlink(f"/proc/{child}/cwd") == "/") == (how == "stray")
        assert child in {m.pid for m in family(root, snapshot())} or how in TWICE_FORKED
    finally:
        os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("words", [("--wrong",), ("one", "two")])
def test_wrong_words_are_a_usage_error(run: RUN, words: tuple[str, ...]) -> None:
    code, said = run(*words).end()
    assert code == 64
    assert said.startswith("usage: agentcave demo-agent")
