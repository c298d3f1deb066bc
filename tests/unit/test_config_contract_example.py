"""The annotated example of the documentation, field by field."""

from pathlib import Path

import pytest
from config_project import write

from agentcave.config import load, render, resolve, select
from agentcave.config.document import Document
from agentcave.model.spec import (
    Dependency,
    ReadySpec,
    RestartSpec,
    Secret,
    Seed,
    StopSpec,
    WorkspaceSpec,
)

EXAMPLE = r"""
    # yaml-language-server: $schema=../schemas/caves.schema.json
    version: 1
    name: shop
    env_file: [{path: .env.caves, required: false}]
    defaults:
      workspace: {type: worktree, base: main}
    templates:
      claude-base:
        agents:
          claude: {model: sonnet, permission_mode: acceptEdits}
    caves:
      db:
        agents: {demo: {}}
      lead:
        workspace: {type: directory, path: .}
        agents: {claude: {}}
      api:
        extends: [claude-base]
        description: Checkout endpoint rewrite
        profiles: [backend]
        depends_on: {db: {condition: ready, required: false}}
        workspace:
          type: worktree
          base: origin/main
          branch: cave/api
          path: .agentcave/caves/api
          copy: [.env.local]
          link: [data/large]
          disposable: [node_modules, .venv]
          on_remove: keep
        setup:
          - [npm, ci]
        context:
          background.md: {file: docs/background.md}
          plan.md: {text: "1. Read the tests\n2. …"}
          review.md: {file: docs/review.md, update: never}
        inherit_environment: all
        environment: {LOG_LEVEL: info, PRICE: "$$5", ANTHROPIC_API_KEY: null}
        secrets:
          STRIPE_KEY: {env: STRIPE_KEY}
          DB_URL: {file: ~/.secrets/db-url}
          TOKEN: {command: [pass, show, shop/token]}
        agents:
          claude:
            type: claude
            command: [npx, claude]
            args: [--verbose]
            working_dir: packages/api
            model: "${API_MODEL:-opus}"
            permission_mode: acceptEdits
            trust_workspace: false
            prompt: Follow .cave/plan.md.
            resume: auto
            environment: {}
            secrets: {}
            restart: {policy: on-failure, initial: 10s, factor: 2, max: 5m, reset_after: 10m,
                      max_restarts: 5}
            stop: {keys: [], signal: TERM, grace: 15s}
            ready: {delay: 3s, timeout: 60s}
            size: {columns: 200, rows: 50}
      tests:
        replicas: 3
        agents: {shell: {type: command, command: [make, watch]}}
    """


@pytest.fixture
def document(tmp_path: Path) -> Document:
    write(tmp_path, "background", "docs/background.md")
    write(tmp_path, "review", "docs/review.md")
    return load([write(tmp_path, EXAMPLE)])


def test_every_field_of_the_example_means_what_is_written(
    document: Document, tmp_path: Path
) -> None:
    names = select(document, profiles=["backend"])
    project = resolve(document, names, {}, home="/home/me")
    here = str(tmp_path.resolve())
    assert (project.name, project.file, project.directory) == ("shop", f"{here}/caves.yaml", here)
    assert len(project.uid) == 16
    assert [cave.name for cave in project.caves] == [
        "db", "lead", "api", "tests-1", "tests-2", "tests-3",
    ]  # fmt: skip
    assert project.declared["api"] == ("claude",)
    assert project.env == {}
    db, lead, api, first, *_ = project.caves
    assert db.workspace == WorkspaceSpec(
        "worktree", f"{here}/.agentcave/caves/db", "cave/db", base="main"
    )
    assert lead.workspace == WorkspaceSpec("directory", here)
    assert lead.agents[0].model is None
    assert api.description == "Checkout endpoint rewrite"
    assert api.profiles == ("backend",)
    assert api.depends_on == (Dependency("db", "ready", required=False),)
    assert api.workspace == WorkspaceSpec(
        type="worktree",
        path=f"{here}/.agentcave/caves/api",
        branch="cave/api",
        base="origin/main",
        copy=(".env.local",),
        link=("data/large",),
        disposable=("node_modules", ".venv"),
        on_remove="keep",
    )
    assert api.setup == (("npm", "ci"),)
    assert api.context == (
        Seed("background.md", file=f"{here}/docs/background.md"),
        Seed("plan.md", text="1. Read the tests\n2. …"),
        Seed("review.md", file=f"{here}/docs/review.md", update="never"),
    )
    assert api.inherit_environment is None
    assert api.environment == {"LOG_LEVEL": "info", "PRICE": "$5", "ANTHROPIC_API_KEY": None}
    assert api.secrets == (
        Secret("STRIPE_KEY", "env", "STRIPE_KEY"),
        Secret("DB_URL", "file", "/home/me/.secrets/db-url"),
        Secret("TOKEN", "command", ("pass", "show", "shop/token")),
    )
    (claude,) = api.agents
    assert (claude.name, claude.type) == ("claude", "claude")
    assert (claude.command, claude.args) == (("npx", "claude"), ("--verbose",))
    assert (claude.working_dir, claude.model) == ("packages/api", "opus")
    assert (claude.permission_mode, claude.trust_workspace) == ("acceptEdits", False)
    assert (claude.prompt, claude.resume) == ("Follow .cave/plan.md.", "auto")
    assert (claude.environment, claude.secrets) == ({}, ())
    assert claude.restart == RestartSpec("on-failure", 10.0, 2.0, 300.0, 600.0, 5)
    assert claude.stop == StopSpec((), "TERM", 15.0)
    assert claude.ready == ReadySpec("delay", 3.0, 60.0)
    assert claude.size == (200, 50)
    assert (first.group, first.workspace.branch) == ("tests", "cave/tests-1")


def test_link_and_setup_together_are_warned_about(document: Document) -> None:
    (warning,) = document.warnings
    assert warning.startswith("caves.api: has both link and setup")


def test_config_shows_references_and_variables_as_written(document: Document) -> None:
    api = render(document)["caves"]["api"]
    assert api["agents"]["claude"]["model"] == "${API_MODEL:-opus}"
    assert api["secrets"]["STRIPE_KEY"] == {"env": "STRIPE_KEY"}
    assert api["environment"]["PRICE"] == "$$5"


def test_the_resolved_config_has_every_default(document: Document) -> None:
    project = resolve(document, select(document, ["api"]), {"API_MODEL": "haiku"}, home="/home/me")
    api = render(project)["caves"]["api"]
    assert api["agents"]["claude"]["model"] == "haiku"
    assert api["agents"]["claude"]["restart"]["max"] == "300s"
    assert api["secrets"]["TOKEN"] == {"command": ["pass", "show", "shop/token"]}
    assert api["environment"]["PRICE"] == "$5"
