"""From what is written to what is wanted, and the fingerprints of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_world import KEY, agent, cave, project, wanted

from agentcave.model.desired import Wanted
from agentcave.model.observed import History
from agentcave.model.spec import Dependency, Secret
from agentcave.plan.desire import desire
from agentcave.plan.digest import changed_fields, declared_fields, digest, pack_fields, same
from agentcave.plan.plan import count

OTHER = ("k2", b"another")
values = st.dictionaries(st.text(max_size=5), st.none() | st.text(max_size=5), max_size=4)


def test_caves_stay_in_file_order_with_all_their_agents() -> None:
    desired = wanted(cave("web"), cave("api", agent("claude"), agent("codex")))
    assert list(desired.caves) == ["web", "api"]
    assert [one.key for one in desired.caves["api"].agents] == [("api", "claude"), ("api", "codex")]


@pytest.mark.parametrize(
    ("asked", "got"), [("running", "stopped"), ("absent", "absent"), ("stopped", "stopped")]
)
def test_a_sticky_stop_holds_against_up_and_not_against_down(asked: Wanted, got: str) -> None:
    stopped = {("api", "claude"): History(intent="stopped")}
    desired = wanted(cave("api", agent("claude"), agent("codex")), history=stopped, state=asked)
    assert [one.wanted for one in desired.caves["api"].agents] == [got, asked]


def test_a_dependency_on_replicas_is_one_on_all_of_them() -> None:
    replicas = [cave(f"tests-{n}", group="tests") for n in (1, 2, 3)]
    web = cave("web", depends_on=(Dependency("tests", "completed"), Dependency("db", "ready")))
    desired = wanted(web, *replicas, cave("db"))
    assert desired.caves["web"].waits == (
        ("tests-1", "completed"),
        ("tests-2", "completed"),
        ("tests-3", "completed"),
        ("db", "ready"),
    )


def test_a_dependency_that_is_not_selected_is_not_waited_for() -> None:
    web = cave("web", depends_on=(Dependency("db", required=False),))
    spec = project(web, declared={"web": ("claude",), "db": ("claude",)})
    assert desire(spec, {}, KEY).caves["web"].waits == ()


def test_without_a_key_digests_are_unknown() -> None:
    desired = desire(project(cave("api")), {}, None)
    assert desired.caves["api"].agents[0].digest is None


def test_caves_that_share_an_agent_differ_where_they_differ() -> None:
    shared = agent()
    desired = wanted(
        cave("one", shared),
        cave("two", shared),
        cave("three", shared, environment={"A": "1"}),
        cave("four", shared, inherit_environment=("PATH",)),
        cave("five", shared, secrets=(Secret("T", "env", "T"),)),
    )
    digests = [one.agents[0].digest for one in desired.caves.values()]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 4


def test_what_is_at_its_default_is_no_part_of_a_digest() -> None:
    assert declared_fields(cave("api"), agent(), {}) == {"type": "demo"}


def test_the_agents_environment_wins_over_the_caves_and_that_over_the_files() -> None:
    one = cave("api", agent(environment={"C": "agent"}), environment={"B": "cave", "C": "cave"})
    fields = declared_fields(one, one.agents[0], dict.fromkeys("ABC", "file"))
    assert [fields[f"environment.{name}"] for name in "ABC"] == ["file", "cave", "agent"]


def test_removing_a_variable_is_not_the_same_as_not_naming_it() -> None:
    one = cave("api", environment={"A": None})
    assert digest(declared_fields(one, agent(), {}), KEY) != digest(
        declared_fields(cave("api"), agent(), {}), KEY
    )


def test_an_agents_secret_replaces_the_caves_of_the_same_name() -> None:
    one = cave("api", secrets=(Secret("T", "env", "CAVE"),))
    fields = declared_fields(one, agent(secrets=(Secret("T", "env", "AGENT"),)), {})
    assert fields["secrets.T"] == ("env", "AGENT")


@given(values, values)
def test_digests_are_equal_exactly_when_the_fields_are(
    one: dict[str, str | None], other: dict[str, str | None]
) -> None:
    assert (digest(one, KEY) == digest(other, KEY)) is (one == other)


@given(values)
def test_the_order_of_fields_does_not_matter(fields: dict[str, str | None]) -> None:
    assert digest(dict(reversed(fields.items())), KEY) == digest(fields, KEY)


@given(values)
def test_digests_of_different_keys_cannot_be_compared_and_count_as_equal(
    fields: dict[str, str | None],
) -> None:
    assert digest(fields, KEY) != digest(fields, OTHER)
    assert same(digest(fields, KEY), digest({"x": 1, **fields}, OTHER))
    assert same(digest(fields, KEY), None)
    assert not same(digest(fields, KEY), digest({**fields, "another field": 1}, KEY))


@given(values, values)
def test_changed_fields_are_named_exactly(
    before: dict[str, str | None], now: dict[str, str | None]
) -> None:
    nothing = object()
    changed = {n for n in before | now if before.get(n, nothing) != now.get(n, nothing)}
    assert set(changed_fields(pack_fields(before, KEY), now, KEY)) == changed


def test_what_changed_cannot_be_told_with_another_key_or_without_a_memory() -> None:
    assert changed_fields(pack_fields({"a": "1"}, KEY), {"a": "2"}, OTHER) == ()
    assert changed_fields("", {"a": "2"}, KEY) == ()


def test_values_cannot_be_read_from_digests_or_packed_fields() -> None:
    fields = {"environment.PIN": "1234"}
    assert "1234" not in digest(fields, KEY) + json.dumps(pack_fields(fields, KEY))
    assert pack_fields(fields, KEY) != pack_fields(fields, ("k1", b"other"))


def test_a_cave_counts_once_with_its_worst_sign() -> None:
    counts = count(("a", "b", "c"), [("a", "create"), ("a", "refuse"), ("b", "update")])
    assert {sign: number for sign, number in counts.items() if number} == {
        "refuse": 1,
        "update": 1,
        "keep": 1,
    }
