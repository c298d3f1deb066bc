"""Agents without an adapter of ours: commands that say what their screen means, and plug-ins."""

from pathlib import Path

import pytest
from caving import Cave, eventually

DIALOG = r"""
printf 'working\n'
read -r _
clear; printf 'Shall I run: rm -r build ?\n[y/n]\n'
read -r answer
clear; printf 'ready> answered %s\n' "$answer"
read -r _
"""
COMMAND = """
version: 1
name: shop
caves:
  api:
    workspace: {type: directory, path: .}
    agents:
      tool:
        type: command
        command: [sh, tool.sh]
        ready: {status: true, timeout: 5s}
        screen:
          - {activity: approval, match: "Shall I run: (.*) \\\\?"}
          - {activity: idle, match: "^ready>"}
          - {activity: working, match: "^working"}
"""
PLUGIN = '''
"""An agent type of another package: an adapter that says what ours for commands says."""

from agentcave.agents.command import *
from agentcave.agents.command import CONVERSES
from agentcave.agents.base import Launch

PROGRAM = ("sleep",)
INSTALL = "it is part of every system"


def launch(start):
    return Launch((*PROGRAM, "1234567"))
'''


FAILING = """
def {what}(told):
    raise ZeroDivisionError("a nap")
"""


def activity(cave: Cave, name: str) -> tuple[str, str]:
    row = cave.ps()[name]
    return row["activity"], row["reason"]


def test_a_command_is_what_its_screen_means_by_the_rules_of_the_file(cave: Cave) -> None:
    cave.write("tool.sh", DIALOG)
    cave.declare(COMMAND)
    cave.up("--wait")
    eventually(lambda: activity(cave, "api/tool") == ("working", ""))

    assert cave.run("send", "-f", "caves.yaml", "api", "go").out.startswith("sent to api/tool")
    eventually(lambda: activity(cave, "api/tool") == ("approval", "rm -r build"))
    done = cave.run("wait", "-f", "caves.yaml", "--for", "attention")
    assert done.out == "api/tool approval: rm -r build\n"
    refused = cave.run("send", "-f", "caves.yaml", "api", "y", code=1)
    assert "not-delivered: shop/api/tool waits for approval: rm -r build" in refused.err
    assert "answered" not in cave.screen("shop/api/tool")


def test_another_package_adds_a_type(cave: Cave, tmp_path: Path) -> None:
    about = tmp_path / "plug-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[agentcave.agents]\nnapper = plug_in_napper\n")
    (tmp_path / "plug_in_napper.py").write_text(PLUGIN)
    inside = {"PYTHONPATH": f"{cave.environ.get('PYTHONPATH', '')}:{tmp_path}"}
    cave.declare(
        "version: 1\nname: shop\ncaves:\n  api:\n    workspace: {type: directory, path: .}\n"
        "    agents:\n      nap: {type: napper}\n"
    )
    cave.up(**inside)
    (agent,) = cave.agents().values()
    eventually(lambda: b"1234567" in Path(f"/proc/{agent.pid}/cmdline").read_bytes())
    row = cave.run("ps", "-f", "caves.yaml", "--json", **inside).json["sessions"][0]
    assert (row["type"], row["phase"]) == ("napper", "running")

    for what in ("claims", "conversation"):
        failing = f"{PLUGIN}\n{FAILING.format(what=what)}"
        (tmp_path / "plug_in_napper.py").write_text(failing)
        row = cave.run("ps", "-f", "caves.yaml", "--json", **inside).json["sessions"][0]
        assert (row["phase"], row["activity"]) == ("running", "unknown")
        assert row["reason"] == "bug in plug_in_napper: ZeroDivisionError('a nap')"
        assert cave.up(**inside).out == "shop: 1 unchanged\n"

    cave.write("caves.yaml", (cave.root / "caves.yaml").read_text() + "# edited\n")
    unknown = cave.up(code=78, PYTHONPATH=cave.environ.get("PYTHONPATH"))
    assert "caves.api.agents.nap.type: napper is not one of claude, " in unknown.err
    assert len(cave.agents()) == 1
    cave.run("down", "-f", "caves.yaml", **inside)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("raise RuntimeError('not today')\n", "of plug_in_broken: not today"),
        ("PROGRAM = ('x',)\n", "of plug_in_broken lacks INSTALL, SEEN, "),
        (f"{PLUGIN}\ndel keys, DIALOG\n", "of plug_in_broken lacks DIALOG, keys: it was made"),
    ],
)
def test_a_plug_in_that_cannot_be_used_is_named(
    cave: Cave, tmp_path: Path, code: str, why: str
) -> None:
    about = tmp_path / "plug-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[agentcave.agents]\nbroken = plug_in_broken\n")
    (tmp_path / "plug_in_broken.py").write_text(code)
    cave.declare("version: 1\nname: shop\ncaves: {api: {agents: {x: {type: broken}}}}\n")
    done = cave.up(code=78, PYTHONPATH=f"{cave.environ.get('PYTHONPATH', '')}:{tmp_path}")
    assert f"agent type broken {why}" in done.err
    assert cave.agents() == {}
