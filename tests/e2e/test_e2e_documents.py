"""What the documents tell people to type works."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from caving import AGENTCAVE, Cave

ROOT = Path(__file__).resolve().parents[2]


def test_the_python_example_of_the_readme_runs(cave: Cave) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    example = example.replace('socket="agentcave"', f'socket="{cave.socket}"')
    script = cave.write("example.py", example)
    environ = {**cave.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=cave.root,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "RUNNING" in done.stdout
    assert "hello" in done.stdout
    assert cave.panes() == []


def test_the_caves_of_the_example_live_and_go_without_a_trace(cave: Cave) -> None:
    shutil.copytree(ROOT / "examples", cave.root / "examples", ignore=ignore_caves)
    cave.git("add", "-A")
    cave.git("commit", "-qm", "examples")
    file = "examples/caves.yaml"
    cave.run("up", "-f", file)
    assert len(cave.agents()) == 3
    context = {path.name for path in (cave.root / "examples").rglob(".cave/*.md")}
    assert context == {"background.md", "plan.md", "working-log.md", "results-summary.md"}
    assert cave.git("status", "--short") == ""

    cave.run("down", "-f", file, "--remove-workspaces")
    assert cave.panes() == []
    assert cave.git("worktree", "list").count("\n") == 0
    assert cave.git("status", "--short") == ""


def test_the_commands_that_the_readme_names_exist() -> None:
    listed = subprocess.run(
        [*AGENTCAVE, "--help"], capture_output=True, text=True, env=dict(os.environ)
    ).stdout
    verbs = set(re.findall(r"^  ([a-z]+) ", listed, re.MULTILINE))
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    named = {word for row in rows for word in re.findall(r"`([a-z]+)", row)}
    assert named == verbs


def test_the_demo_agent_is_a_command_too(cave: Cave) -> None:
    done = cave.run("demo-agent", "--script", "print hello; exit 3", code=3)
    assert "hello" in done.out


def test_a_completion_script_is_accepted_by_bash(cave: Cave) -> None:
    script = cave.write("completion.bash", cave.run("completion", "bash").out)
    done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "remove_workspaces" in script.read_text().replace("-", "_")


def ignore_caves(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name in (".agentcave", ".cave")]
