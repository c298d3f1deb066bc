"""A caves file as a bomb: refused soon, in words, within a bounded memory."""

import os
import resource
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from caving import AGENTCAVE, ONE_CAVE, Cave, Done

MEMORY = 1 << 30
SECONDS = 30.0
AGENT = "{type: command, command: [sleep, infinity]}"
COMMANDS = f"agents: {{shell: {AGENT}}}"


def bounded(cave: Cave, *words: str) -> Done:
    """Run a command that may have one GiB, and must end soon and without a traceback."""
    began = time.monotonic()
    done = subprocess.run(
        [*AGENTCAVE, *words],
        cwd=cave.root,
        env=cave.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SECONDS,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )
    assert time.monotonic() - began < SECONDS
    assert b"Traceback" not in done.stderr
    assert len(done.stdout + done.stderr) < 4 << 20, "an answer is for people"
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def refused(cave: Cave, why: str) -> str:
    """By everything that reads the file, and for this reason; what they said."""
    answers = [bounded(cave, verb) for verb in ("config", "plan", "up")]
    assert [answer.code for answer in answers] == [78, 78, 78], answers
    assert all(why in answer.err for answer in answers), answers[0].err[:1000]
    assert cave.panes() == []
    assert not (cave.root / ".agentcave").exists()
    return "".join(answer.err for answer in answers)


def wide(count: int) -> str:
    return "x-a: [" + "1," * count + "]\n"


def laughs() -> str:
    lines = ["x-a: &a [lol, lol]"]
    lines += [f"x-{n}: &{n} [*{p}, *{p}]" for p, n in zip("abcdefghi", "bcdefghij", strict=True)]
    return "\n".join(lines) + "\n"


DEEP, LARGE, NO_TEXT = "nested deeper than 32 levels", "larger than 8 MiB", "not valid UTF-8"
BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "depth": (lambda: b"x-a: " + b"[" * 100_000, DEEP),
    "depth by indentation": (
        lambda: "".join(f"{' ' * n}a:\n" for n in range(2_000)).encode(),
        DEEP,
    ),
    "depth of braces": (lambda: b"x-a: " + b"{a: " * 50_000 + b"1" + b"}" * 50_000, DEEP),
    "many values": (lambda: wide(500_001).encode(), "more than 500000 values"),
    "size": (lambda: b"# " + b"x" * (9 << 20), LARGE),
    "one long line": (lambda: b"x-a: '" + b"x" * (8 << 20) + b"'", LARGE),
    "billion laughs": (lambda: laughs().encode(), "aliases are not supported"),
    "a merge key": (lambda: b"x-a: &a {b: 1}\nx-c: {<<: *a}\n", "merge keys are not supported"),
    "a tag that would run": (
        lambda: b"x-a: !!python/object/apply:os.system ['touch pwned']\n",
        "tags are not supported",
    ),
    "duplicate keys": (
        lambda: b"x-a: 1\n" * 1_000 + b"name: a\nname: b\n",
        "the key name stands here twice",
    ),
    "NUL": (lambda: b"x-a: a\0b\n", "the character \\x00 is not allowed"),
    "UTF-16": (lambda: ONE_CAVE.encode("utf-16"), NO_TEXT),
    "not UTF-8": (lambda: b"x-a: \xff\xfe\n", NO_TEXT),
    "a surrogate": (lambda: b"x-a: \xed\xa0\x80\n", NO_TEXT),
    "only a mark": (lambda: b"\xef\xbb\xbf", "the file is empty"),
    "nothing": (lambda: b"", "the file is empty"),
    "many documents": (lambda: b"--- {}\n" * 10_000, "a second document is not supported"),
    "a long number": (lambda: b"version: " + b"9" * 1_000_000, "the number is too long"),
    "a large exponent": (
        lambda: b"x-a: 1e999999999\nversion: 1e99999\n",
        "x-a: the number is not finite",
    ),
    "a long key": (lambda: b"?" + b" x" * (1 << 20) + b"\n: 1\n", "unknown key"),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_refused_soon(cave: Cave, kind: str) -> None:
    text, why = BOMBS[kind]
    (cave.root / "caves.yaml").write_bytes(text())
    refused(cave, why)


NAMED = {
    "long": "a" * 41,
    "far too long": "a" * 1_000,
    "of another direction": "\u202eipa",
    "with a NUL": '"a\\0b"',
    "with an escape": '"a\\e]52;c;eA==\\a"',
    "that only looks alike": "\u0430pi",
    "that normalises": "\ufb01le",
    "up": "..",
    "like an option": "-rf",
    "with a newline": '"a\\nb"',
    "with a slash": "a/../../b",
    "of a tmux format": "'#(touch pwned)'",
}


@pytest.mark.parametrize("kind", NAMED)
def test_a_name_that_is_a_trick_is_refused(cave: Cave, kind: str) -> None:
    name = NAMED[kind]
    for text in (
        f"version: 1\nname: shop\ncaves: {{{name}: {{{COMMANDS}}}}}\n",
        f"version: 1\nname: {name}\ncaves: {{api: {{{COMMANDS}}}}}\n",
        f"version: 1\nname: shop\ncaves: {{api: {{agents: {{{name}: {AGENT}}}}}}}\n",
    ):
        cave.declare(text)
        said = refused(cave, "not a legal name")
        assert not {"\u202e", "\x1b", "\x07", "\0"} & set(said)


def test_a_horde_is_refused(cave: Cave) -> None:
    cave.declare(f"version: 1\nname: shop\ncaves: {{api: {{replicas: {10**9}, {COMMANDS}}}}}\n")
    refused(cave, "replicas")


@pytest.mark.parametrize("kind", ["fifo", "/dev/zero", "loop", "directory", "socket folder"])
def test_a_caves_file_that_is_no_file_is_refused_without_waiting(cave: Cave, kind: str) -> None:
    path = cave.root / "caves.yaml"
    path.unlink()
    plant(path, kind)
    answers = [bounded(cave, verb, "-f", "caves.yaml") for verb in ("config", "plan", "up")]
    assert {answer.code for answer in answers} <= {64, 78}
    assert cave.panes() == []


def plant(path: Path, kind: str) -> None:
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "loop":
            path.symlink_to(path.name)
        case "directory":
            path.mkdir()
        case "socket folder":
            path.symlink_to("/proc/self/fd")
        case device:
            path.symlink_to(device)
