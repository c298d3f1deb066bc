import os
from pathlib import Path
from typing import Any

from config_project import caves, problems, write
from hypothesis import given
from hypothesis import strategies as st

from agentcave.config import load, render, resolve, select
from agentcave.config.merge import intern, merge

TREES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.floats(0, 1) | st.sampled_from("ab"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
)


def test_defaults_templates_and_cave_are_laid_over_one_another(tmp_path: Path) -> None:
    text = """
        defaults:
          environment: {A: d, B: d, C: d, D: d}
          setup: [[d], [e]]
          agents: {demo: {args: [d], size: {rows: 10}}}
        templates:
          one: {environment: {B: one, C: one}, agents: {demo: {size: {columns: 11}}}}
          two: {environment: {C: two}, setup: [[two]]}
        caves:
          a: {extends: [one, two], environment: {D: null, E: a}, agents: {demo: {args: []}}}
          b: {agents: {demo: {size: null}}, setup: null}
        """
    found = caves(tmp_path, text)
    a, b = found["a"], found["b"]
    assert a.environment == {"A": "d", "B": "one", "C": "two", "D": None, "E": "a"}
    assert a.setup == (("two",),)
    assert (a.agents[0].args, a.agents[0].size) == ((), (11, 10))
    assert (b.setup, b.agents[0].size, b.agents[0].args) == ((), (200, 50), ("d",))


def test_seeds_secrets_prompts_and_ready_replace_whole(tmp_path: Path) -> None:
    text = """
        defaults:
          context: {p.md: {text: a, update: never}, q.md: {text: q}}
          secrets: {S: {env: A}, T: {env: T}}
          agents: {demo: {prompt: hello, ready: {delay: 3s, timeout: 9s}}}
        caves:
          a:
            context: {p.md: {text: b}, q.md: null}
            secrets: {S: {command: [x]}, T: null}
            agents: {demo: {prompt: null, ready: {output: x}}}
        """
    a = caves(tmp_path, text)["a"]
    assert a.context == (("p.md", "b", None, "unedited"),)
    assert a.secrets == (("S", "command", ("x",)),)
    assert a.agents[0].prompt is None
    assert a.agents[0].ready == ("output", "x", 60.0)


def test_a_workspace_of_another_type_replaces_whole(tmp_path: Path) -> None:
    text = """
        defaults: {workspace: {base: main, copy: [x]}}
        caves:
          a: {workspace: {type: directory, path: .}, agents: {demo: {}}}
          b: {workspace: {type: worktree, branch: b}, agents: {demo: {}}}
          c: {workspace: {type: clone}, agents: {demo: {}}}
        """
    found = caves(tmp_path, text)
    assert found["a"].workspace.base == "HEAD"
    assert found["b"].workspace.base == "main"
    assert (found["c"].workspace.base, found["c"].workspace.copy) == ("HEAD", ())


def test_null_removes_an_inherited_agent_and_is_told_where_there_is_none(tmp_path: Path) -> None:
    defaults = "defaults: {agents: {demo: {}, sh: {type: command, command: [sh]}}}\n"
    found = caves(tmp_path, defaults + "caves: {a: {agents: {sh: null}}}")
    assert [agent.name for agent in found["a"].agents] == ["demo"]
    assert problems(tmp_path, "caves: {a: {agents: {demo: {}, claude: }}}") == [
        "caves.yaml:3:32: caves.a.agents.claude: removes nothing "
        "(write claude: {} for an agent that is all defaults)"
    ]


def test_several_files_merge_in_order_and_the_local_one_comes_last(tmp_path: Path) -> None:
    first = write(
        tmp_path,
        """
        version: 1
        name: first
        defaults: {environment: {A: first, B: first, C: first}}
        caves:
          a: {description: first, agents: {demo: {}}}
          b: {agents: {demo: {}}}
        """,
    )
    second = write(
        tmp_path,
        """
        version: 1
        name: second
        defaults: {environment: {B: second, C: second}}
        caves:
          a: {context: {p.md: {file: p.md}}}
          b: null
          c: {workspace: {path: ../w}, agents: {demo: {}}}
        """,
        "other/more.yaml",
    )
    write(tmp_path, "p", "other/p.md")
    write(
        tmp_path,
        "version: 1\ndefaults: {environment: {C: local}}\ncaves: {a: {description: null}}\n",
        "caves.local.yaml",
    )
    document = load([first, second])
    project = resolve(document, select(document), {}, home="/")
    here = os.path.realpath(tmp_path)
    a, c = project.caves
    assert project.name == "first"
    assert project.file == f"{here}/caves.yaml"
    assert (a.name, c.name) == ("a", "c")
    assert a.environment == {"A": "first", "B": "second", "C": "local"}
    assert a.description == ""
    assert a.context[0].file == f"{here}/other/p.md"
    assert c.workspace.path == f"{here}/w"
    names = ("caves.yaml", "other/more.yaml", "caves.local.yaml")
    assert document.inputs == tuple((f"{here}/{name}", "caves") for name in names)
    assert render(document)["caves"]["c"]["workspace"]["path"] == f"{here}/w"


def test_replicas_are_spelled_out_with_numbers_behind_branch_and_path(tmp_path: Path) -> None:
    text = """
        caves:
          t: {replicas: 2, workspace: {branch: x, path: w/t/}, agents: {demo: {}}}
          one: {replicas: 1, agents: {demo: {}}}
          after: {depends_on: {t: {}}, agents: {demo: {}}}
        """
    found = caves(tmp_path, text)
    assert list(found) == ["t-1", "t-2", "one-1", "after"]
    assert found["t-2"].workspace.branch == "x-2"
    assert found["t-2"].workspace.path.endswith("/w/t-2")
    assert found["one-1"].workspace.branch == "cave/one-1"
    assert {cave.group for cave in found.values()} == {"t", "one", "after"}
    assert found["t-1"].agents[0] is found["t-2"].agents[0]


@given(TREES, TREES)
def test_merging_changes_neither_side_and_leaves_no_null(base: Any, over: Any) -> None:
    before = repr(base), repr(over)
    merged = merge(merge({}, base), over)
    assert (repr(base), repr(over)) == before
    if isinstance(over, dict):
        assert None not in merged.values()
        assert all(merged[key] == value for key, value in over.items() if isinstance(value, list))


@given(TREES)
def test_interning_changes_nothing_that_can_be_seen(tree: Any) -> None:
    assert repr(intern(tree, {})) == repr(tree)


def test_numbers_and_booleans_stay_apart_when_interned() -> None:
    assert repr(intern([[1], [True], [1.0], {"a": 0}, {"a": False}], {})) == (
        "[[1], [True], [1.0], {'a': 0}, {'a': False}]"
    )


@given(TREES, TREES)
def test_equal_subtrees_are_one_object(one: Any, two: Any) -> None:
    known: dict[Any, Any] = {}
    left, right = intern([one], known), intern([two], known)
    assert (left is right) == (repr(left) == repr(right))
