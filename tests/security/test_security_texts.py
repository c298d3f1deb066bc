"""Hostile text, from files and from agents: it is shown or refused, and never acts."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from caving import AGENTCAVE, Cave, Terminal, eventually, make_project, snapshot
from keeping import controller, runs
from traps import pwned

Opener = Callable[..., Terminal]
EVIL = "-x $(touch pwned)`touch pwned`#(touch pwned);touch pwned;'\"{\n\x1b]52;c;eA==\x07%\u202e"
SHORT = ["#(touch pwned)", "$(touch pwned)", "-dash", ";touch pwned", "{", "#{pid}", "%if 1", "~"]
ACTING = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
SHOWN = (("ps",), ("plan",), ("config",), ("status", "api", "--explain"), ("context", "api"))


def quoted(text: str) -> str:
    """As a YAML scalar."""
    inner = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return '"' + re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda m: f"\\x{ord(m[0]):02x}", inner) + '"'


def everything_evil(text: str) -> str:
    evil = quoted(text)
    return f"""\
version: 1
name: shop
caves:
  api:
    description: {evil}
    environment: {{EVIL: {evil}}}
    context: {{plan.md: {{text: {evil}}}}}
    setup: [["true", {evil}]]
    agents:
      shell:
        type: command
        command: [sh, -c, 'printf "%s" "$1" "$EVIL"; exec sleep infinity', sh, {evil}]
"""


def said(cave: Cave) -> str:
    """What people are shown, of everything."""
    answers = [cave.run(*words, "-f", "caves.yaml") for words in SHOWN]
    answers += [cave.run(verb, "--file", "caves.yaml") for verb in ("logs", "events")]
    return "".join(done.out + done.err for done in answers)


@pytest.mark.parametrize("name", [EVIL, *SHORT])
def test_a_hostile_place_is_data_to_a_controller(world: Path, name: str) -> None:
    cave = make_project(world, world / name)
    with controller(cave):
        runs(cave, "shop/api/shell")
        assert not ACTING.search(said(cave))
        cave.run("restart", "-f", "caves.yaml")
        cave.run("down", "-f", "caves.yaml", "api")
        eventually(lambda: not cave.agents())
    assert pwned(cave) == []


def test_hostile_values_are_data_everywhere(cave: Cave) -> None:
    cave.declare(everything_evil(EVIL))
    cave.up()
    assert (cave.workspace() / ".cave/plan.md").read_text() == EVIL
    eventually(lambda: "touch pwned" in cave.run("logs", "--file", "caves.yaml").out)
    assert not ACTING.search(said(cave))
    cave.run("exec", "-f", "caves.yaml", "api", "--", "sh", "-c", ": $EVIL", EVIL)
    assert pwned(cave) == []


OUTPUT = r"\033]52;c;eA==\007\033]2;#(touch pwned)\033\\\302\2332J\033P1$r\033\\%%s\342\200\256"


def test_what_an_agent_prints_never_reaches_a_terminal_as_it_is(
    cave: Cave, on_terminal: Opener
) -> None:
    script = f"printf '{OUTPUT}seen-it'; exec sleep infinity"
    cave.declare(
        "version: 1\nname: shop\ncaves:\n  api:\n"
        f"    agents: {{shell: {{type: command, command: [sh, -c, {quoted(script)}]}}}}\n"
    )
    cave.up()
    eventually(lambda: "seen-it" in cave.screen("shop/api/shell"))
    assert not ACTING.search(said(cave))
    table = on_terminal(*AGENTCAVE, "up", "--watch", "-f", "caves.yaml")
    eventually(lambda: table.reads("kept as in"))
    assert acting_on(table) == set()
    assert pwned(cave) == []


def acting_on(terminal: Terminal) -> set[str]:
    """What a terminal was told beside colours and to begin the screen anew."""
    left = re.sub(r"\x1b\[(?:H|2J|[\d;]*m)", "", terminal.seen).replace("\r\n", "\n")
    return set(ACTING.findall(left))


BRANCHES = ["--upload-pack=touch pwned", "-x", "@{-1}", "a..b", "a:b", "a b", "refs/heads/../../x"]


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_branch_is_no_option(cave: Cave, branch: str) -> None:
    cave.declare(workspace(f"branch: {quoted(branch)}"))
    assert "git allows no branch of this name" in cave.run("up", "-f", "caves.yaml", code=78).err
    assert cave.git("for-each-ref", "--format=%(refname)") == "refs/heads/main"
    assert pwned(cave) == []


@pytest.mark.parametrize("base", ["--output=pwned", "-x", "HEAD\nHEAD", "--exec=touch pwned", "^x"])
@pytest.mark.parametrize("type", ["worktree", "clone"])
def test_a_base_is_no_option(cave: Cave, base: str, type: str) -> None:
    cave.declare(workspace(f"type: {type}, base: {quoted(base)}"))
    code, why = (78, "must not begin with -") if base[0] == "-" else (1, "is no commit")
    done = cave.run("up", "-f", "caves.yaml", code=code)
    assert why in done.out + done.err
    assert cave.panes() == []
    assert pwned(cave) == []


def workspace(text: str) -> str:
    cave = "agents: {shell: {type: command, command: [sleep, infinity]}}"
    return f"version: 1\nname: shop\ncaves: {{api: {{workspace: {{{text}}}, {cave}}}}}\n"


OUTSIDE = ["../out", "/etc/passwd", "a/../../out", "~/out", "plan.md/../../out", ".", "", "a\0b"]


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_path_leads_outside(cave: Cave, path: str) -> None:
    cave.write("../out", "secret\n")
    before = snapshot(cave.root.parent / "out")
    evil = quoted(path)
    for field in (f"{{{evil}: {{text: x}}}}", f"{{plan.md: {{file: {evil}}}}}"):
        text = workspace("type: worktree")
        cave.declare(text.replace("{workspace", f"{{context: {field}, workspace"))
        assert cave.try_run("up", "-f", "caves.yaml").code in (1, 78), field
    for field in ("copy", "link", "disposable"):
        cave.declare(workspace(f"{field}: [{evil}]"))
        assert cave.try_run("up", "-f", "caves.yaml").code in (1, 78), field
    assert cave.panes() == []
    assert snapshot(cave.root.parent / "out") == before


def test_the_table_of_a_controller_shows_a_hostile_place_as_text(
    world: Path, on_terminal: Opener
) -> None:
    cave = make_project(world, world / "a\x1b]52;c;eA==\x07b\x9b")
    words = (*AGENTCAVE, "up", "--watch", "-f", str(cave.root / "caves.yaml"))
    table = on_terminal(*words, AGENTCAVE_SOCKET=cave.socket)
    eventually(lambda: table.reads("kept as in"))
    eventually(lambda: table.reads("running"))
    assert acting_on(table) == set()
