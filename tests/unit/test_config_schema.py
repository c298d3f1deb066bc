import json
import os
from pathlib import Path
from typing import Any

import pytest
from config_project import problems, write
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from agentcave.config import load, resolve, schema_text, select
from agentcave.config.schema import is_valid, schema

ROOT = Path(__file__).parents[2]
EXAMPLES = ("caves.yaml", "claude-team.yaml")

words = st.sampled_from(
    ["", "a", "A_B", "10s", "10s\n", "${X}", "all", "worktree", "directory", "status", "never"]
)
scalars = st.none() | st.booleans() | st.integers(-1, 1001) | st.floats(0, 3) | words


def node(rule: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Mostly right values for a part of the schema, and some wrong ones."""
    if "$ref" in rule:
        rule = schema()["definitions"][rule["$ref"].rpartition("/")[2]]
    if "allOf" in rule:
        return node(rule["allOf"][0])
    if "enum" in rule:
        return st.sampled_from(rule["enum"]) | scalars
    kinds = [rule["type"]] if isinstance(rule["type"], str) else rule["type"]
    options: list[st.SearchStrategy[Any]] = [scalars]
    if "array" in kinds:
        options += [st.lists(node(rule["items"]), max_size=2)] * 3
    if "object" in kinds:
        options += [mapping(rule)] * 3
    return st.one_of(options)


def later(rule: dict[str, Any]) -> st.SearchStrategy[Any]:
    return st.deferred(lambda: node(rule))


def mapping(rule: dict[str, Any]) -> st.SearchStrategy[Any]:
    other = rule.get("additionalProperties")
    known = {key: later(value) for key, value in rule.get("properties", {}).items()}
    strays = st.dictionaries(st.sampled_from(["x-a", "X", "a\n", "nope"]), scalars, max_size=1)
    named = strays
    if isinstance(other, dict):
        names = st.sampled_from(["a", "b-1", "x-a", "claude", "Bad", "a\n"])
        named = st.dictionaries(names, later(other), max_size=2)
    fixed = st.fixed_dictionaries({}, optional=known)
    return st.builds(lambda a, b, c: {**a, **b, **c}, fixed, named, st.just({}) | strays)


@settings(max_examples=300, deadline=None)
@given(mapping(schema()), st.booleans())
def test_the_fast_verdict_and_the_thorough_one_agree(value: Any, versioned: bool) -> None:
    value = {**value, "version": 1} if versioned else value
    assert is_valid(value) == Draft7Validator(schema()).is_valid(value)


def test_the_schema_is_valid_and_describes_everything() -> None:
    Draft7Validator.check_schema(schema())
    undescribed: list[str] = []

    def walk(rule: Any, path: str) -> None:
        if isinstance(rule, dict):
            for key, value in rule.get("properties", {}).items():
                if isinstance(value, dict) and not {"description", "$ref", "not"} & set(value):
                    undescribed.append(f"{path}.{key}")
                walk(value, f"{path}.{key}")

    walk(schema(), "")
    for name, rule in schema()["definitions"].items():
        walk(rule, name)
    assert undescribed == []


def test_the_program_validates_with_the_file_that_editors_read() -> None:
    published = (ROOT / "schemas" / "caves.schema.json").read_text()
    assert schema_text() == published
    assert json.loads(published)["$schema"] == "http://json-schema.org/draft-07/schema#"


def test_checking_a_file_fills_in_no_defaults() -> None:
    value: dict[str, Any] = {
        "version": 1,
        "caves": {"a": {"workspace": {}, "agents": {"demo": {}}}},
    }
    assert is_valid(value)
    assert value["caves"]["a"] == {"workspace": {}, "agents": {"demo": {}}}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_are_valid_and_need_nothing(name: str) -> None:
    path = ROOT / "examples" / name
    document = load([os.fspath(path)])
    project = resolve(document, select(document), {}, home="/nowhere")
    assert document.warnings == ()
    assert path.read_text().startswith(
        "# yaml-language-server: $schema=../schemas/caves.schema.json"
    )
    assert len(project.caves) == 3
    assert sum(len(cave.depends_on) for cave in project.caves) == 1
    four = {"background.md", "plan.md", "working-log.md", "results-summary.md"}
    for cave in project.caves:
        assert {seed.name for seed in cave.context} == four
        assert cave.workspace.type == "worktree"
        assert (cave.workspace.branch or "").startswith("cave/")
        base = os.fspath(ROOT / "examples" / ".agentcave" / "caves")
        assert cave.workspace.path == os.path.join(base, cave.name)
        expected = "demo" if name == "caves.yaml" else "claude"
        assert [agent.type for agent in cave.agents] == [expected]


def test_the_examples_do_not_stand_in_each_other_s_way() -> None:
    taken: list[str] = []
    for name in EXAMPLES:
        document = load([os.fspath(ROOT / "examples" / name)])
        for cave in resolve(document, select(document), {}, home="/nowhere").caves:
            taken += [cave.workspace.path, cave.workspace.branch or ""]
    assert len(set(taken)) == len(taken)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("cave: {}", "3:1: cave: unknown key (did you mean caves?)"),
        ("caves: {a: {agents: {demo: {modle: x}}}}", "demo.modle: unknown key (did you mean model"),
        ("caves: {a: {agents: {demo: {model: 4}}}}", "3:36: caves.a.agents.demo.model: must be"),
        ("caves: {Api: {agents: {demo: {}}}}", "3:9: caves.Api: not a legal name: at most 40"),
        ("caves: {a: {agents: {Dem: {type: demo}}}}", "(for example dem)"),
        ("caves: {a: {agents: {x: {type: claud}}}}", "claud is not one of claude, "),
        ("caves: {a: {agents: {x: {type: claud}}}}", "(did you mean claude?)"),
        ("caves: {a: {workspace: {type: copy}, agents: {demo: {}}}}", "copy is not supported yet"),
        ("caves: {a: {workspace: {on_remove: force}, agents: {demo: {}}}}", "force is not one of"),
        ("caves: {a: {agents: {demo: {stop: {grace: 15}}}}}", "a duration is a string with"),
        ("caves: {a: {agents: {demo: {stop: {grace: '15'}}}}}", "a duration is a string with"),
        ("caves: {a: {agents: {demo: {stop: {signal: SIGTERM}}}}}", "(did you mean TERM?)"),
        ("caves: {a: {agents: {demo: {stop: {keys: ['']}}}}}", "keys[0]: a key is the name of"),
        ("caves: {a: {agents: {demo: {command: make x}}}}", "a command is a list of strings"),
        ("caves: {a: {agents: {demo: {command: []}}}}", "a command is a list of strings"),
        ("caves: {a: {replicas: 1001, agents: {demo: {}}}}", "replicas: must be at most 1000"),
        ("caves: {a: {context: {p: {}}, agents: {demo: {}}}}", "a seed has exactly one of"),
        ("caves: {a: {context: {../p: {text: a}}, agents: {demo: {}}}}", "has a plain name"),
        ("caves: {a: {context: {.p: {text: a}}, agents: {demo: {}}}}", "has a plain name"),
        ("caves: {a: {secrets: {A: x}, agents: {demo: {}}}}", "a secret has exactly one of"),
        ("caves: {a: {agents: {demo: {ready: {status: true, delay: 3s}}}}}", "ready has at most"),
        ("caves: {a: {agents: {demo: {prompt: {file: $X/p}}}}}", "named literally"),
        ("env_file: [{path: '${X}'}]\ncaves: {a: {agents: {demo: {}}}}", "named literally"),
        ("caves: {a: {agents: {demo: {command: [true]}}}}", "command[0]: must be a string"),
        ("caves: {a: {agents: {demo: {command: [null, a]}}}}", "command[0]: must be a string"),
        ("caves: {a: {agents: {demo: {args: [1]}}}}", "args[0]: must be a string"),
        ("caves: {a: {setup: [[true]], agents: {demo: {}}}}", "setup[0][0]: must be a string"),
        ("caves: {a: {replicas: 2.0, agents: {demo: {}}}}", "replicas: must be a whole number"),
        ("caves: {a: {agents: {demo: {size: {rows: 5e1}}}}}", "rows: must be a whole number"),
        ("caves: {a: {agents: {demo: {restart: {max_restarts: 1e3}}}}}", "must be a whole number"),
        ("caves: {a: {agents: {demo: {restart: {initial: 9m}}}}}", "must not be longer than max"),
        ("caves: {a: {agents: {demo: {restart: {initial: 9999999h}}}}}", "at most 10 years"),
        ("caves: {a: {environment: {TMUX_X: a}, agents: {demo: {}}}}", "is set by tmux itself"),
        ("caves: {a: {agents: {demo: {environment: {AGENTCAVE_X: a}}}}}", "by agentcave itself"),
        ("templates: {t: {extends: [u]}}\ncaves: {a: {agents: {demo: {}}}}", "only a cave"),
        ("defaults: {extends: [u]}\ncaves: {a: {agents: {demo: {}}}}", "only a cave"),
    ],
)  # fmt: skip
def test_what_the_schema_refuses_is_told_in_words(tmp_path: Path, text: str, problem: str) -> None:
    lines = problems(tmp_path, text)
    assert len([line for line in lines if problem in line]) == 1, lines


@pytest.mark.parametrize("version", ["2", "'1'", "true", "1.5", "1.0"])
def test_only_version_one_is_known(tmp_path: Path, version: str) -> None:
    text = f"version: {version}\nname: a\ncaves: {{a: {{agents: {{demo: {{}}}}}}}}\n"
    (line,) = problems(tmp_path, text, head="")
    assert line == "caves.yaml:1:10: version: must be the integer 1"


def test_a_missing_version_is_told(tmp_path: Path) -> None:
    lines = problems(tmp_path, "name: a\ncaves: {a: {agents: {demo: {}}}}", head="")
    assert lines == ["caves.yaml:1:1: version is missing"]


def test_keys_that_begin_with_x_are_ignored_everywhere(tmp_path: Path) -> None:
    text = """
        version: 1
        name: shop
        x-a: {b: [1]}
        caves:
          x-no-cave: 3
          a:
            x-b: 1
            workspace: {x-c: 2}
            environment: {x-d: 1}
            context: {p.md: {text: a, x-e: 1}, x-f: 1}
            secrets: {A: {env: B, x-g: 1}}
            agents: {demo: {ready: {delay: 3s, x-h: 1}, stop: {keys: [{text: a, x-i: 1}]}}, x-j: 1}
        """
    document = load([write(tmp_path, text)])
    (cave,) = resolve(document, select(document), {}, home="/").caves
    assert "x-" not in repr(cave)
