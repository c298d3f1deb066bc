"""The stamp: one word that says who a pane is."""

import json
import re
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcave.model.observed import Stamp
from agentcave.sessions.stamp import VERSION, decode, encode, version_of

STAMP = Stamp("u1", "shop", "/p/caves.yaml", "api", "claude", "demo", "/w", "k1:0", "s1", 7)
texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.builds(Stamp, *[texts] * 9, st.integers(0, 2**40)))
def test_a_stamp_comes_back_from_a_word_that_means_nothing_to_a_shell_or_tmux(
    stamp: Stamp,
) -> None:
    word = encode(stamp)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", word)
    assert decode(word) == stamp


def word_of(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "word",
    [
        "",
        "abc",
        "not base64 at all!",
        encode(STAMP)[:-5],
        word_of({}),
        word_of(7),
        word_of([0, *STAMP]),
        word_of([True, *STAMP]),
        word_of([1, *STAMP[:-1]]),
        word_of([1, *STAMP, "more"]),
        word_of([1, *STAMP[:-1], "7"]),
        word_of([1, None, *STAMP[1:]]),
        urlsafe_b64encode(b"\xff\xfe").decode(),
    ],
)
def test_what_is_no_stamp_of_ours_is_somebody_elses(word: str) -> None:
    assert decode(word) is None


def test_a_newer_stamp_still_says_whose_the_pane_is() -> None:
    newer = word_of([VERSION + 1, *STAMP, {"more": 1}])
    assert (decode(newer), version_of(newer)) == (STAMP, VERSION + 1)
    strange = word_of([VERSION + 8, {"all": "new"}])
    assert (decode(strange), version_of(strange)) == (None, VERSION + 8)


@given(st.text(max_size=60))
def test_no_word_is_a_crash(word: str) -> None:
    assert decode(word) is None or isinstance(decode(word), Stamp)
