"""When an agent that has ended comes back by itself."""

from hypothesis import given
from hypothesis import strategies as st

from agentcave.model.observed import History
from agentcave.model.spec import RestartSpec
from agentcave.plan.restart import JITTER, delay, next_restart, settled

DAY = 86_400.0
NOW = 1_800_000_000.0
ROUNDING = 1e-9
SPEC = RestartSpec("on-failure", initial=10.0, factor=2.0, max=300.0)

specs = st.builds(
    RestartSpec,
    st.sampled_from(("on-failure", "always")),
    initial=st.floats(0.001, 3600),
    factor=st.floats(1, 1e6),
    max=st.floats(0.001, 1e6),
    reset_after=st.floats(1, 1e6),
    max_restarts=st.integers(0, 10_000),
)
streaks = st.integers(0, 100_000)
incarnations = st.text(max_size=20)


def ended(streak: int = 0, lived: float = 5.0) -> History:
    """The memory of an agent that lived for some seconds and has ended now."""
    started = int(NOW - lived)
    past = History(session="s1", started=started, ended="failed", exit_status=1, ended_at=NOW)
    return past._replace(streak=streak)


def jittered(spec: RestartSpec, streak: int) -> set[float]:
    return {delay(spec, streak, f"s{number}") for number in range(1000)}


@given(specs, incarnations)
def test_the_first_restart_comes_at_once(spec: RestartSpec, incarnation: str) -> None:
    assert delay(spec, 0, incarnation) == 0.0


@given(specs, st.integers(1, 100_000), incarnations)
def test_a_delay_lies_between_the_first_one_and_max_less_a_tenth_at_most(
    spec: RestartSpec, streak: int, incarnation: str
) -> None:
    waited = delay(spec, streak, incarnation)
    assert waited <= spec.max
    assert waited >= min(spec.initial, spec.max) * (1 - JITTER) * (1 - ROUNDING)


@given(specs, streaks, incarnations)
def test_delays_never_become_shorter(spec: RestartSpec, streak: int, incarnation: str) -> None:
    longer = delay(spec, streak + 1, incarnation)
    assert delay(spec, streak, incarnation) <= longer * (1 + ROUNDING)


@given(specs, streaks, incarnations)
def test_the_same_incarnation_always_gets_the_same_delay(
    spec: RestartSpec, streak: int, incarnation: str
) -> None:
    assert delay(spec, streak, incarnation) == delay(spec, streak, incarnation)


def test_delays_double_up_to_max() -> None:
    longest = [max(jittered(SPEC, streak)) for streak in range(1, 9)]
    rounded = [round(seconds) for seconds in longest]
    assert rounded == [10, 20, 40, 80, 160, 300, 300, 300]


def test_those_that_crash_together_come_back_apart() -> None:
    seen = jittered(SPEC, 3)
    assert len(seen) == 1000
    assert 36.0 <= min(seen) < 36.1
    assert 39.9 < max(seen) <= 40.0


def test_a_policy_of_never_restarts_nothing() -> None:
    verdict = next_restart(RestartSpec("never"), ended())
    assert verdict.due is None
    assert verdict.why == "its restart policy is never"


def test_the_first_restart_is_due_when_the_agent_has_ended() -> None:
    verdict = next_restart(SPEC, ended())
    assert verdict == (NOW, 0, "restart 1 of 5")


def test_later_restarts_are_due_after_their_delay() -> None:
    verdict = next_restart(SPEC, ended(streak=3))
    assert verdict.due is not None
    assert 36.0 <= verdict.due - NOW <= 40.0
    assert verdict[1:] == (3, "restart 4 of 5")


def test_the_last_restart_is_the_one_that_max_restarts_names() -> None:
    assert next_restart(SPEC, ended(streak=4)).due is not None
    assert next_restart(SPEC, ended(streak=5)) == (None, 5, "given up after 5 of 5 restarts")


def test_without_restarts_the_first_end_is_the_last() -> None:
    verdict = next_restart(SPEC._replace(max_restarts=0), ended())
    assert verdict == (None, 0, "given up after 0 of 0 restarts")


def test_a_healthy_spell_clears_the_streak() -> None:
    nearly = next_restart(SPEC, ended(streak=5, lived=599))
    healthy = next_restart(SPEC, ended(streak=5, lived=600))
    assert nearly.due is None
    assert healthy == (NOW, 0, "restart 1 of 5")


def test_what_was_taken_away_is_put_back_whatever_the_policy_and_never_given_up() -> None:
    for policy in ("never", "on-failure", "always"):
        spec = SPEC._replace(policy=policy)
        verdict = next_restart(spec, ended(streak=99)._replace(ended=None), exited=False)
        assert verdict.due is not None
        assert 270.0 <= verdict.due - NOW <= 300.0
        assert verdict[1:] == (99, "put back")


@given(st.floats(-400 * DAY, 400 * DAY), st.integers(1, 1000))
def test_a_clock_that_was_set_neither_storms_nor_stalls(jump: float, streak: int) -> None:
    """The end was written down by a clock that differs from the one of now."""
    now = NOW + jump
    due = next_restart(SPEC, settled(ended(streak), now), exited=False).due
    assert due is not None
    assert due <= now + SPEC.max
    if jump <= 0:
        assert due >= now + SPEC.initial * (1 - JITTER) - 1e-5


def test_an_end_in_the_future_is_taken_for_one_of_now_and_stays_that() -> None:
    past = settled(ended(streak=2, lived=5), NOW - 400 * DAY)
    assert past.ended_at == NOW - 400 * DAY
    assert settled(past, NOW - 400 * DAY + 15) is past


def test_an_end_in_the_past_stays_as_it_was_written() -> None:
    past = ended()
    assert settled(past, NOW) is past
    assert settled(past, NOW + 400 * DAY) is past
    assert settled(History(), NOW).ended_at is None
