import os
import re
import time
from pathlib import Path

import pytest
from config_project import caves, problems, spec, write
from hypothesis import given
from hypothesis import strategies as st

from agentcave.config import load, yaml_backend
from agentcave.config.reader import MAX_BYTES, MAX_DEPTH, parse
from agentcave.config.scalars import plain
from agentcave.errors import SpecError


def read(text: str | bytes) -> object:
    tree = parse(text.encode() if isinstance(text, str) else text, "f")
    assert [str(problem) for problem in tree.problems] == []
    return tree.value


def said(text: str | bytes) -> list[str]:
    tree = parse(text.encode() if isinstance(text, str) else text, "f")
    return [str(problem) for problem in tree.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("2026-11-22", "2026-11-22"),
        ("22:22", "22:22"),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("1.10", 1.1),
        ("1e3", 1000.0),
        ("+.5", 0.5),
        ("-", "-"),
        ("...", "..."),
        ("true", True),
        ("TRUE", True),
        ("yes", "yes"),
        ("~", None),
        ("", None),
        ("NULL", None),
        ("=", "="),
    ],
)
def test_plain_scalars_mean_what_yaml_1_2_says(text: str, value: object) -> None:
    assert plain(text) == value
    assert type(plain(text)) is type(value)


def test_quoted_scalars_are_strings() -> None:
    assert read('["1", \'true\', "~"]') == ["1", "true", "~"]


@given(st.integers(-(10**30), 10**30))
def test_written_integers_are_read_back(number: int) -> None:
    assert plain(str(number)) == number


@pytest.mark.parametrize("text", [".inf", "-.INF", ".nan", "1e999", "9" * 5000])
def test_numbers_out_of_all_measure_are_refused(text: str) -> None:
    assert len(said(f"a: {text}")) == 1


def test_an_environment_keeps_the_spelling_of_its_scalars(tmp_path: Path) -> None:
    text = """
        caves:
          a:
            environment: {A: 010, B: 1.10, C: true, D: .inf, E: "x", F: null, G: 0x1F}
            agents: {demo: {environment: {H: 1_0, I: no, J: False}}}
        """
    cave = caves(tmp_path, text)["a"]
    expected = {"A": "010", "B": "1.10", "C": "true", "D": ".inf", "E": "x", "F": None, "G": "0x1F"}
    assert cave.environment == expected
    assert cave.agents[0].environment == {"H": "1_0", "I": "no", "J": "False"}


def test_a_cave_may_be_called_environment(tmp_path: Path) -> None:
    text = (
        "caves: {environment: {replicas: 2, agents: {environment: {type: demo, size: {rows: 9}}}}}"
    )
    assert list(caves(tmp_path, text)) == ["environment-1", "environment-2"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &x 1", "f:1:4: a: anchors are not supported (use extends, or write it out)"),
        ("a: *x", "f:1:4: a: aliases are not supported (use extends, or write it out)"),
        ("a: !!str 1", "f:1:4: a: tags are not supported (leave it out; quote what is a string)"),
        ("a: ! 1", "f:1:4: a: tags are not supported (leave it out; quote what is a string)"),
        ("<<: {a: 1}", "f:1:1: merge keys are not supported (use extends)"),
        ("a: 1\n---\nb: 1", "f:2:1: a second document is not supported (use one file)"),
        ("a: 1\nb: 2\na: 3", "f:3:1: the key a stands here twice (first in line 1)"),
        ("x:\n  1: a", "f:2:3: x: the key 1 is not a string (quote it)"),
        ("true: a", "f:1:1: the key true is not a string (quote it)"),
        ("[a]: b", "f:1:1: a key must be a string"),
        ('a: "x\\0y"', "f:1:4: a: NUL characters are not supported"),
        ("a: \x00", "f:1:4: the character \\x00 is not allowed"),
        ("a: \x1b[31m", "f:1:4: the character \\x1b is not allowed"),
        (b"a: 1\nb: \xff", "f:2:4: not valid UTF-8"),
        ("", "f:1:1: the file is empty (begin with version: 1 and caves:)"),
        ("# only this\n", "f:1:1: the file is empty (begin with version: 1 and caves:)"),
    ],
)
def test_what_yaml_offers_beyond_plain_data_is_refused(text: str | bytes, problem: str) -> None:
    assert said(text) == [problem]


def test_broken_yaml_is_told_with_its_place() -> None:
    (problem,) = said("a: [1, 2\nb: 3\n")
    assert problem.startswith("f:2:2: not valid YAML: ")


def test_a_byte_order_mark_and_crlf_are_fine() -> None:
    assert read(b"\xef\xbb\xbfa: 1\r\nb:\r\n  - x\r\n") == {"a": 1, "b": ["x"]}


def test_lines_and_columns_count_from_one() -> None:
    tree = parse(b"a:\n  b: [1, 22]\n", "f")
    assert tree.find(("a", "b")) == (2, 3, 2, 6)
    assert tree.find(("a", "b", 1)) == (2, 10, 2, 10)
    assert tree.find(("a", "c")) is None


def test_depth_is_limited_and_a_flood_of_brackets_is_no_crash() -> None:
    assert read("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert said("[" * (MAX_DEPTH + 1)) == [f"f:1:33: nested deeper than {MAX_DEPTH} levels"]
    (flood,) = said("[" * 100_000)  # from PyYAML 6.0.4 on, its own limit comes first
    assert re.fullmatch(rf"f:1:(33|1001): nested deeper than {MAX_DEPTH} levels", flood)


def test_the_number_of_values_is_limited() -> None:
    (problem,) = said("[" + "a," * 500_001 + "]")
    assert "more than 500000 values" in problem


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "caves.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(SpecError, match="cannot be read: it is larger than 8 MiB"):
        load([os.fspath(path)])


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    began = time.monotonic()
    for name, reason in (
        ("fifo", "it is not a regular file"),
        ("", "it is a directory"),
        ("absent", "it does not exist"),
    ):
        with pytest.raises(SpecError, match=f"cannot be read: {reason}"):
            load([os.fspath(tmp_path / name)])
    assert time.monotonic() - began < 5


def test_a_scalar_or_list_is_no_caves_file(tmp_path: Path) -> None:
    assert problems(tmp_path, "[a]", head="") == ["caves.yaml:1:1: must be a mapping"]


def test_the_parser_in_use_is_known() -> None:
    assert yaml_backend() in ("libyaml", "python")


def test_files_are_shown_relative_to_where_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(
        tmp_path, "version: 1\nnope: 1\ncaves: {a: {agents: {demo: {}}}}\n", "d/caves.yaml"
    )
    for here, start in ((tmp_path, "d/caves.yaml:2:1: "), (Path("/"), f"{path}:2:1: ")):
        monkeypatch.chdir(here)
        with pytest.raises(SpecError) as caught:
            load([path])
        assert caught.value.problems[0].startswith(start)


def test_control_characters_of_the_file_are_never_shown(tmp_path: Path) -> None:
    lines = problems(tmp_path, 'caves: {a: {"b\\e[31mc": 1, agents: {demo: {}}}}')
    assert lines == [
        "caves.yaml:3:13: caves.a.b\\x1b[31mc: unknown key (known here: extends, description, "
        "profiles, depends_on, workspace, setup, context, inherit_environment, environment, "
        "secrets, agents, replicas)"
    ]


def test_a_directory_with_an_illegal_name_needs_a_name(tmp_path: Path) -> None:
    directory = tmp_path / "My Shop!"
    directory.mkdir()
    text = "version: 1\ncaves: {a: {agents: {demo: {}}}}\n"
    assert problems(directory, text, head="") == [
        "caves.yaml:1:1: name: the directory's name My Shop! is not a legal name of a project "
        "(write name: my-shop)"
    ]
    assert spec(directory, text, head="name: ok\n").name == "ok"
