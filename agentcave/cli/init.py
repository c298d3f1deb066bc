"""``agentcave init``: a commented caves.yaml that fits this repository."""

import argparse
import json
import os

from agentcave.cli import project as projects
from agentcave.errors import CaveError, UsageError
from agentcave.hosts import Host, LocalHost
from agentcave.model.names import is_legal, suggest
from agentcave.report.text import plain

CONTEXT_SOURCES = {
    "background.md": ("docs/background.md", "CONTRIBUTING.md", "README.md"),
    "plan.md": ("docs/plan.md", "PLAN.md", "TODO.md"),
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--type",
        dest="agent",
        choices=("claude", "demo"),
        help="agent type (default: claude where it is installed, else demo)",
    )


def run(args: argparse.Namespace) -> int:
    if args.file and len(args.file) > 1:
        raise UsageError("init writes one file")
    path = os.path.normpath(projects.absolute(args.file[0] if args.file else "caves.yaml"))
    for taken in (path, os.path.join(os.path.dirname(path), "caves.yml")):
        if os.path.lexists(taken):
            raise CaveError(f"{taken} exists already, and is left as it is", "edit that one")
    host = LocalHost()
    agent = args.agent or ("claude" if host.which("claude") else "demo")
    text = compose(os.path.dirname(path), agent, _base_branch(host, os.path.dirname(path)))
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as exc:
        raise CaveError(f"cannot write {path}: {exc.strerror}") from exc
    print(plain(f"wrote {path}"))
    print(plain(f"next: look at it, then `agentcave up -f {os.path.relpath(path)}`"))
    return 0


def compose(directory: str, agent: str, base: str | None) -> str:
    """The text of the file. ``base`` is the branch that worktrees start from, None without git."""
    name = os.path.basename(directory)
    lines = [
        "# What runs here: `agentcave up -f caves.yaml`, `agentcave ps`, `agentcave down`.",
        "# `agentcave schema` prints every key with its meaning.",
        "version: 1",
        f"name: {json.dumps(name if is_legal(name) else suggest(name))}",
        "",
        "defaults:                     # merged under every cave",
        *_workspace(base),
        "  context:                    # files that tell the agent what it is to do",
        *_context(directory),
        "",
        "caves:",
        "  first:",
        "    description: What this cave is for",
        "    agents:",
        f"      {agent}:",
        *_agent(agent),
        "  # second:                   # as many as you like; each in its own workspace",
        *([] if base else ["  #   workspace: {path: ../another-directory}"]),
        "  #   depends_on: {first: {condition: ready}}",
        f"  #   agents: {{{agent}: {{}}}}",
        "",
    ]
    return "\n".join(lines)


def _workspace(base: str | None) -> list[str]:
    if base is None:
        return [
            "  # this is no git repository with a commit, so all caves share this directory;",
            "  # with git, `type: worktree` gives each cave a checkout and a branch of its own",
            "  workspace: {type: directory, path: .}",
        ]
    comment = "# a checkout and a branch for each cave"
    return [f"  workspace: {{type: worktree, base: {json.dumps(base)}}}   {comment}"]


def _context(directory: str) -> list[str]:
    lines = []
    for name, sources in CONTEXT_SOURCES.items():
        found = next((s for s in sources if os.path.isfile(os.path.join(directory, s))), None)
        if found is not None and not os.path.islink(os.path.join(directory, found)):
            lines.append(f"    {name}: {{file: {found}}}")
        else:
            text = "Requirements and constraints." if name == "background.md" else "1. Look around."
            lines.append(f'    {name}: {{text: "{text}"}}')
    return lines


def _agent(agent: str) -> list[str]:
    if agent != "claude":
        return ["        prompt: Follow .cave/plan.md."]
    return [
        "        # model: sonnet",
        "        permission_mode: acceptEdits",
        "        prompt: Follow .cave/plan.md.",
    ]


def _base_branch(host: Host, directory: str) -> str | None:
    """The current branch; HEAD when detached, None without a commit or without git."""
    git = ["git", "--no-optional-locks", "-C", directory, "-c", "core.fsmonitor="]
    try:
        if host.read([*git, "rev-parse", "--verify", "-q", "HEAD^{commit}"]).returncode != 0:
            return None
        branch = host.read([*git, "symbolic-ref", "-q", "--short", "HEAD"]).stdout.decode().strip()
    except (CaveError, UnicodeDecodeError):
        return None
    return branch if branch and branch.replace("/", "").replace("-", "").isalnum() else "HEAD"
