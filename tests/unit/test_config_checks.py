import os
from pathlib import Path

import pytest
from config_project import caves, problems, write

from agentcave.config.suspicious import looks_like_a_key

KEY = "sk-ant-api03-abcdefghijklmnop"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{}", "3:1: caves: there are no caves"),
        (f"{{{', '.join(f'c{n}: {{replicas: 1000, agents: {{demo: {{}}}}}}' for n in range(11))}}}",
         "caves.c10: more than 10000 caves in all, replicas counted"),
        (f"{{a: {{agents: {{demo: {{ready: {{output: '{'(' * 5000 + ')' * 5000}'}}}}}}}}}}",
         "not a regular expression"),
        ("{a: {}}", "3:9: caves.a.agents: a cave needs at least one agent"),
        ("{a: }", "3:9: caves.a: this cave is empty (write {} for"),
        ("{a: {agents: {sh: {}}}}", "3:22: caves.a.agents.sh: the type is missing"),
        ("{a: {agents: {command: {}}}}", "type command needs a command"),
        ("{a: {extends: [x], agents: {demo: {}}}}", "3:23: caves.a.extends[0]: no template x"),
        ("{a: {depends_on: {bb: {}}, agents: {demo: {}}}, b: {agents: {demo: {}}}}",
         "3:26: caves.a.depends_on.bb: no cave bb (did you mean b?)"),
        ("{a: {depends_on: {a: {}}, agents: {demo: {}}}}", "in a circle: a -> a"),
        ("{a: {depends_on: {b: {}}, agents: {demo: {}}}, "
         "b: {replicas: 2, depends_on: {a: {}}, agents: {demo: {}}}}", "circle: a -> b -> a"),
        ("{a: {workspace: {type: directory}, agents: {demo: {}}}}", "a directory needs a path"),
        ("{a: {workspace: {type: directory, path: ., base: x}, agents: {demo: {}}}}",
         "workspace.base: means nothing for a directory"),
        ("{a: {workspace: {path: /x}, agents: {demo: {}}}}", "must be relative to the caves file"),
        ("{a: {workspace: {path: ~/x}, agents: {demo: {}}}}", "must be relative to the caves file"),
        ("{a: {workspace: {path: .}, agents: {demo: {}}}}", "must not be the directory of"),
        ("{a: {workspace: {path: ..}, agents: {demo: {}}}}", "must not be the directory of"),
        ("{a: {workspace: {path: ../../x}, agents: {demo: {}}}}", "must lie under the directory"),
        ("{a: {workspace: {path: .git/x}, agents: {demo: {}}}}", "must not lie in .git"),
        ("{a: {workspace: {branch: a..b}, agents: {demo: {}}}}", "git allows no branch of this"),
        ("{a: {workspace: {branch: -x}, agents: {demo: {}}}}", "git allows no branch of this name"),
        ("{a: {workspace: {base: --x}, agents: {demo: {}}}}", "base: must not begin with -"),
        ("{a: {workspace: {copy: [../x]}, agents: {demo: {}}}}", "copy[0]: must be a relative"),
        ("{a: {workspace: {link: [/x]}, agents: {demo: {}}}}", "link[0]: must be a relative path"),
        ("{a: {workspace: {disposable: [./]}, agents: {demo: {}}}}", "disposable[0]: must be a"),
        ("{a: {workspace: {copy: [x/.git/y]}, agents: {demo: {}}}}", "copy[0]: must not lie in"),
        ("{a: {workspace: {copy: [x], link: [x]}, agents: {demo: {}}}}", "both copied and linked"),
        ("{a: {agents: {demo: {working_dir: ../x}}}}", "working_dir: must stay inside"),
        ("{a: {agents: {demo: {ready: {output: '('}}}}}", "output: not a regular expression"),
        ("{a: {agents: {command: {command: ['']}}}}", "the program must not be empty"),
        ("{a: {agents: {demo: {screen: [{activity: idle, match: x}]}}}}", "type command only"),
        ("{a: {agents: {demo: {trust_workspace: true}}}}", "trust_workspace: type demo has no use"),
        ("{a: {agents: {command: {command: [x], screen: [{activity: idle, match: '('}]}}}}",
         "screen[0].match: not a regular expression"),
        ("{a: {agents: {command: {command: [x], prompt: hi}}}}", "prompt: type command has no use"),
        ("{a: {agents: {demo: {model: x}}}}", "model: type demo has no use"),
        ("{t: {replicas: 2, agents: {demo: {}}}, t-1: {agents: {demo: {}}}}",
         "3:47: caves.t-1: t-1 and t both make a cave named t-1"),
        (f"{{{'n' * 39}: {{replicas: 1, agents: {{demo: {{}}}}}}}}", "is not a legal name of"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_merged_caves_is_told(
    tmp_path: Path, text: str, problem: str
) -> None:
    (line,) = problems(tmp_path, f"caves: {text}")
    assert problem in line


@pytest.mark.parametrize(
    "agent",
    [
        "claude: {trust_workspace: true}",
        "claude: {ready: {status: true}}",
        "demo: {ready: {status: true}, trust_workspace: false}",
        "command: {command: [x], screen: [{activity: idle, match: '^> $'}], ready: {status: true}}",
    ],
)
def test_what_an_agent_can_do_is_declared_without_complaint(tmp_path: Path, agent: str) -> None:
    cave = caves(tmp_path, f"caves: {{a: {{agents: {{{agent}}}}}}}")["a"]
    assert [one.name for one in cave.agents] == [agent.partition(":")[0]]


def two(first: str, second: str) -> str:
    agents = "agents: {demo: {}}"
    both = {"a": first, "b": second}
    lines = [f"  {name}: {{workspace: {{{w}}}, {agents}}}\n" for name, w in both.items()]
    return "caves:\n" + "".join(lines)


@pytest.mark.parametrize(
    ("first", "second", "problem"),
    [
        ("branch: x", "branch: x", "the caves a and b would work on one branch"),
        ("path: w", "path: ./w/", "the workspaces of a and b overlap"),
        ("path: w", "path: w/x", "the workspaces of a and b overlap"),
        ("path: w/x", "path: w", "the workspaces of b and a overlap"),
        ("type: directory, path: .", "type: directory, path: ./", "would work on one directory"),
        ("type: directory, path: real", "type: directory, path: link", "would work on one"),
        ("path: real/x", "path: link/x", "the workspaces of a and b overlap"),
    ],
)  # fmt: skip
def test_two_caves_do_not_share_a_place_or_a_branch(
    tmp_path: Path, first: str, second: str, problem: str
) -> None:
    (tmp_path / "real").mkdir()
    os.symlink("real", tmp_path / "link")
    (line,) = problems(tmp_path, two(first, second))
    assert problem in line


def test_neighbours_with_similar_names_do_not_overlap(tmp_path: Path) -> None:
    assert len(caves(tmp_path, two("path: w/a", "path: w/a-1"))) == 2
    assert len(caves(tmp_path, two("type: directory, path: .", "path: ../beside/b"))) == 2


def test_an_overlap_is_seen_past_a_neighbour(tmp_path: Path) -> None:
    third = "  c: {workspace: {path: w-1}, agents: {demo: {}}}\n"
    (line,) = problems(tmp_path, two("path: w", "path: w/x") + third)
    assert "the workspaces of a and b overlap" in line


def test_a_symlink_does_not_lead_a_workspace_out_of_the_project(tmp_path: Path) -> None:
    project = tmp_path / "deep" / "project"
    project.mkdir(parents=True)
    os.symlink(tmp_path, project / "out")
    (line,) = problems(project, "caves: {a: {workspace: {path: out/w}, agents: {demo: {}}}}")
    assert "must lie under the directory of the caves file, or beside it" in line


def test_all_problems_come_at_once_sorted_by_place(tmp_path: Path) -> None:
    text = """
        defaults: {workspce: {}}
        caves:
          c: {depends_on: {zz: {}}, agents: {demo: {modle: x, working_dir: /}}}
          b: {agents: {demo: {stop: {grace: 1}}, sh: {type: command, command: [""]}}}
          a: {agents: {demo: {}}, agents: {}}
        """
    assert [line.partition(": ")[0] for line in problems(tmp_path, text)] == [
        "caves.yaml:4:12",
        "caves.yaml:6:20",
        "caves.yaml:6:45",
        "caves.yaml:6:68",
        "caves.yaml:7:37",
        "caves.yaml:7:71",
        "caves.yaml:8:27",
    ]


def test_a_problem_of_a_template_stands_where_it_is_written(tmp_path: Path) -> None:
    text = """
        templates:
          t: {agents: {demo: {working_dir: ../x}}}
        caves: {a: {extends: [t]}, b: {extends: [t]}}
        """
    (line,) = problems(tmp_path, text)
    assert line.startswith("caves.yaml:5:36: caves.a.agents.demo.working_dir: ")


def test_a_problem_of_the_local_file_names_that_file(tmp_path: Path) -> None:
    write(tmp_path, "version: 1\ncaves: {a: {extends: [no]}}\n", "caves.local.yaml")
    (line,) = problems(tmp_path, "caves: {a: {agents: {demo: {}}}}")
    assert line.startswith("caves.local.yaml:2:23: ")


@pytest.mark.parametrize(
    "value",
    [
        KEY,
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "github_pat_" + "11ABCDEFG0" * 2 + "_" + "a1" * 20,
        "AKIAIOSFODNN7EXAMPLE",
        "sk-proj-" + "a1B_-" * 12,
        "sk-svcacct-" + "a1B_-" * 12,
        "sk-" + "a1B2" * 12,
        "xoxb-" + "1234567890-" * 2 + "a1B2" * 6,
        "xoxp-" + "1234567890-" * 3 + "a1b2" * 8,
        "glpat-" + "a1B_-" * 4,
        "AIza" + "a1B_-" * 7,
        "npm_" + "a1B2" * 9,
        "hf_" + "aBcD" * 8 + "eF",
        "x -----BEGIN RSA PRIVATE KEY----- y",
    ],
)
def test_what_looks_like_a_key_is_refused_and_never_repeated(tmp_path: Path, value: str) -> None:
    places = (
        f"caves: {{a: {{environment: {{K: '{value}'}}, agents: {{demo: {{}}}}}}}}",
        f"caves: {{a: {{agents: {{demo: {{args: [-k, '{value}']}}}}}}}}",
        f"x-note: '{value}'\ncaves: {{a: {{agents: {{demo: {{}}}}}}}}",
    )
    for text in places:
        (line,) = problems(tmp_path, text)
        assert "this looks like a key (name it under secrets" in line
        assert value not in line
    lines = problems(tmp_path, f"'{value}': 1\ncaves: {{a: {{agents: {{demo: {{}}}}}}}}")
    assert all(value not in line for line in lines)


@pytest.mark.parametrize(
    "value",
    [
        "npm_config_registry_of_somebody_with_a_long_name_indeed",
        "hf_transformers_cache_directory_for_all",
        "sk-learn-" + "models-" * 6,
        "task-" + "a1b2" * 9,
        "AIza",
        "xoxb-TOKEN",
        "glpat-…",
        "sk-proj-NAME",
        "npm_" + "a1B2" * 12 + "_x",
    ],
)
def test_what_only_begins_like_a_key_is_no_key(value: str) -> None:
    assert not looks_like_a_key(value)


def test_a_key_that_comes_in_by_a_variable_is_refused(tmp_path: Path) -> None:
    text = "caves: {a: {environment: {K: '${K}'}, agents: {demo: {}}}}"
    (line,) = problems(tmp_path, text, {"K": KEY})
    assert "filled in, this looks like a key" in line
    assert KEY not in line
