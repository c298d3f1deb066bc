"""A member is put into JSON, and every other byte stays."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcave.agents.jsontext import put

PATH = ("projects", "/home/dev/shop", "trusted")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES), st.sampled_from([None, 0, 2]))
def test_what_was_there_stays_and_what_was_put_is_there(
    before: dict[str, Any], indent: int | None
) -> None:
    before.pop("projects", None)
    text = json.dumps(before, indent=indent)
    changed = put(text, PATH, True)
    assert changed is not None
    assert json.loads(changed) == {**before, "projects": {"/home/dev/shop": {"trusted": True}}}
    assert put(changed, PATH, True) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '{\n  "p": {\n    "q": true\n  }\n}\n'),
        ("{}", '{"p": {"q": true}}'),
        ('{\n  "a": 1.10,\n  "b": "\\u00e9"\n}\n',
         '{\n  "p": {"q": true},\n  "a": 1.10,\n  "b": "\\u00e9"\n}\n'),
        ('{"p": {"q": false, "r": 1}, "z": [1,2]}', '{"p": {"q": true, "r": 1}, "z": [1,2]}'),
        ('{"p": {"q": false}, "p": {"q": false}}', '{"p": {"q": false}, "p": {"q": true}}'),
    ],
)  # fmt: skip
def test_only_the_member_changes(before: str, after: str) -> None:
    assert put(before, ("p", "q"), True) == after


@pytest.mark.parametrize("text", ["[1]", '{"p": 3}', '{"a":', "nonsense", '{"p": {"q": 1}} x'])
def test_what_is_no_object_on_the_way_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        put(text, ("p", "q"), True)
