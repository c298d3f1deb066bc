import os
from pathlib import Path

import pytest
from config_project import HEAD, caves, problems, spec, write
from hypothesis import given
from hypothesis import strategies as st

from agentcave.config import load, resolve, select
from agentcave.config.dotenv import parse_env
from agentcave.config.durations import seconds
from agentcave.config.interpolate import Unset, interpolate

AGENT = "agents: {demo: {}}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "a"),
        ("x${A}y${A}", "xaya"),
        ("${NO:-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${NO-d}", "d"),
        ("${A:+v}", "v"),
        ("${EMPTY:+v}", ""),
        ("${NO:+v}", ""),
        ("${A:?m}", "a"),
        ("$$5 $${A} $A $", "$5 ${A} $A $"),
        ("${NO:-$$5}", "$5"),
        ("${NO:-a:-b}", "a:-b"),
        ("${QUOTE}", '"x": ${A}'),
    ],
)
def test_variables_are_filled_in(text: str, value: str) -> None:
    variables = {"A": "a", "EMPTY": "", "QUOTE": '"x": ${A}'}
    assert interpolate(text, variables) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${NO}", "the variable NO is not set"),
        ("${NO:?set it}", "NO is not set: set it"),
        ("${}", "is not understood"),
        ("${1A}", "is not understood"),
        ("${A", "is open"),
        ("${A:-${B}}", "is nested"),
        ("${A:x}", "is not understood"),
    ],
)
def test_what_cannot_be_filled_in_is_told(text: str, said: str) -> None:
    with pytest.raises(Unset, match=said.replace("$", r"\$")):
        interpolate(text, {"A": "a"} if "NO" not in text else {})


@given(st.text())
def test_escaped_text_comes_back(text: str) -> None:
    assert interpolate(text.replace("$", "$$"), {}) == text


def test_a_value_never_adds_structure(tmp_path: Path) -> None:
    text = "caves: {a: {description: '${X}', agents: {demo: {args: ['${X}']}}}}"
    value = "[a, b]: {c: *d}\n- e"
    cave = caves(tmp_path, text, {"X": value})["a"]
    assert (cave.description, cave.agents[0].args) == (value, (value,))


def test_only_selected_caves_are_filled_in(tmp_path: Path) -> None:
    text = f"caves: {{a: {{{AGENT}}}, b: {{profiles: [p], description: '${{NO}}', {AGENT}}}}}"
    document = load([write(tmp_path, HEAD + text)])
    assert [c.name for c in resolve(document, select(document), {}, home="/").caves] == ["a"]
    assert problems(tmp_path, text.replace("profiles: [p], ", "")) == [
        "caves.yaml:3:51: caves.b.description: the variable NO is not set "
        "(export it, set it in an env_file, or write ${NO:-default})"
    ]


def test_an_unset_variable_of_a_template_is_told_once_where_it_stands(tmp_path: Path) -> None:
    text = """
        templates: {t: {agents: {demo: {args: ["${NO}"]}}}}
        caves: {a: {extends: [t]}, b: {extends: [t]}, c: {description: "${NO}", extends: [t]}}
        """
    lines = problems(tmp_path, text)
    assert [line[:16] for line in lines] == ["caves.yaml:4:40:", "caves.yaml:5:64:"]


def test_values_are_checked_again_when_filled_in(tmp_path: Path) -> None:
    text = """
        caves:
          a:
            workspace: {branch: "${B}", copy: ["${UP}"]}
            agents: {demo: {stop: {grace: "${T}"}, ready: {output: "${R}"}, working_dir: "${UP}"}}
        """
    environ = {"B": "a b", "UP": "../x", "T": "5", "R": "("}
    lines = problems(tmp_path, text, environ)
    assert len(lines) == 5
    fine = {"B": "b", "UP": "x", "T": "5s", "R": "${R}$"}
    cave = caves(tmp_path, text, fine)["a"]
    assert (cave.workspace.branch, cave.agents[0].stop.grace) == ("b", 5.0)
    assert cave.agents[0].ready.value == "${R}$"


def test_dollars_that_remain_hide_nothing_from_the_checks(tmp_path: Path) -> None:
    workspace = 'workspace: {copy: ["$$$$/../x"]}'
    text = f'caves: {{a: {{{workspace}, agents: {{demo: {{working_dir: "$$$$/../../x"}}}}}}}}'
    copied, working_dir = problems(tmp_path, text)
    assert "copy[0]: must be a relative path" in copied
    assert "working_dir: must stay inside the workspace" in working_dir


def test_a_workspace_is_not_filled_in_to_lie_elsewhere(tmp_path: Path) -> None:
    text = f'caves: {{a: {{workspace: {{path: "${{P}}"}}, {AGENT}}}}}'
    for path in ("/etc", "../../x", ".git/x"):
        assert len(problems(tmp_path, text, {"P": path})) == 1


def test_the_shell_wins_over_env_files_and_later_files_over_earlier(tmp_path: Path) -> None:
    write(tmp_path, "A=file\nB=file\nC=file\n", "one.env")
    write(tmp_path, "C=two\n", "two.env")
    text = f"""
        env_file: [{{path: one.env}}, {{path: two.env}}, {{path: no.env, required: false}}]
        caves: {{a: {{description: "${{A}} ${{B}} ${{C}}", {AGENT}}}}}
        """
    project = spec(tmp_path, text, {"A": "shell"})
    assert project.caves[0].description == "shell file two"
    assert project.env == {"A": "file", "B": "file", "C": "two"}


def test_what_is_wrong_with_an_env_file_is_told_without_its_values(tmp_path: Path) -> None:
    write(tmp_path, "A=1\nsecret value\nB='open secret\n", "bad.env")
    text = f"env_file: [{{path: bad.env}}, {{path: no.env}}]\ncaves: {{a: {{{AGENT}}}}}"
    assert problems(tmp_path, text) == [
        "bad.env:2:1: env_file: not KEY=VALUE",
        "bad.env:3:1: env_file: B: the quote is never closed",
        "no.env:1:1: env_file: cannot be read: it does not exist "
        "(create it, or write required: false)",
    ]


def test_env_files_know_quotes_export_and_comments() -> None:
    text = (
        '# c\nA=1\nexport B = two words # c\nC=\'a # $(x) \\n\'\nD="a\\n\\"b\\" #" # c\n'
        "E=\nF=a#b\r\nG='two\nlines'\nH=#c\nI=`ls`\nJ=last"
    )
    assert parse_env(text) == (
        {
            "A": "1",
            "B": "two words",
            "C": "a # $(x) \\n",
            "D": 'a\n"b" #',
            "E": "",
            "F": "a#b",
            "G": "two\nlines",
            "H": "",
            "I": "`ls`",
            "J": "last",
        },
        [],
    )
    assert parse_env("A='x' y\nB=2") == ({"B": "2"}, [(1, "A: text follows the closing quote")])


@given(st.text())
def test_any_text_is_read_as_an_env_file_or_refused(text: str) -> None:
    values, bad = parse_env(text)
    assert all(1 <= line.line <= text.count("\n") + 1 for line in bad)
    assert all("\0" not in value for value in values.values())


def test_seeds_stay_inside_the_directory_of_the_caves_file(tmp_path: Path) -> None:
    project = tmp_path / "p"
    write(project, "x", "docs/fine.md")
    write(tmp_path, "x", "outside.md")
    os.symlink("docs/fine.md", project / "link.md")
    os.symlink(tmp_path / "outside.md", project / "out.md")
    os.mkfifo(project / "fifo")
    (project / "big").write_bytes(b"x" * (1 << 20) + b"x")
    text = "caves: {{a: {{context: {{p.md: {{file: {}}}}}, agents: {{demo: {{}}}}}}}}"
    for name in ("docs/fine.md", "link.md"):
        seed = caves(project, text.format(name))["a"].context[0]
        assert seed.file == os.path.realpath(project) + "/" + name
    for name, reason in (
        ("../outside.md", "must stay inside the directory of the caves file"),
        ("out.md", "must stay inside the directory of the caves file"),
        ("~/x", "must stay inside the directory of the caves file"),
        ("no.md", "this file cannot be read: No such file or directory"),
        ("docs", "this is not a regular file"),
        ("fifo", "this is not a regular file"),
        ("big", "this file is larger than 1 MiB"),
    ):
        (line,) = problems(project, text.format(name))
        assert line == f"caves.yaml:3:36: caves.a.context.p.md.file: {reason}"


def test_a_prompt_comes_from_a_file_as_it_is(tmp_path: Path) -> None:
    write(tmp_path, "Say ${HELLO}\n", "prompt.md")
    text = "caves: {a: {agents: {demo: {prompt: {file: prompt.md}}}}}"
    assert caves(tmp_path, text)["a"].agents[0].prompt == "Say ${HELLO}\n"
    write(tmp_path, "sk-ant-" + "api03" * 5, "prompt.md")
    assert "holds what looks like a key" in problems(tmp_path, text)[0]
    os.unlink(tmp_path / "prompt.md")
    assert "this file cannot be read: it does not exist" in problems(tmp_path, text)[0]


def test_caves_that_share_an_agent_share_its_spec(tmp_path: Path) -> None:
    text = """
        templates: {t: {agents: {demo: {args: ["${X}"], environment: {A: 1}}}}}
        caves: {a: {extends: [t]}, b: {extends: [t]}, c: {agents: {demo: {args: [x]}}}}
        """
    found = caves(tmp_path, text, {"X": "x"})
    assert found["a"].agents[0] is found["b"].agents[0]
    assert found["c"].agents[0].environment == {}


@pytest.mark.parametrize(
    ("text", "length"), [("500ms", 0.5), ("10s", 10), ("1.5m", 90), ("2h", 7200), ("1m30s", 90)]
)
def test_durations_are_seconds(text: str, length: float) -> None:
    assert seconds(text) == length


@pytest.mark.parametrize("text", ["", "10", "s", "-1s", "1 s", "1d", "1s\n", "\u0661s"])
def test_durations_need_a_unit(text: str) -> None:
    with pytest.raises(ValueError, match="needs a unit"):
        seconds(text)
