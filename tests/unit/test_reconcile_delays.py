"""When a controller tries again what could not be done."""

import pytest

from agentcave.reconcile import delays
from agentcave.reconcile.delays import Delays


class Clock:
    """A clock that stands still unless it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(delays, "time", made)
    return made


@pytest.fixture
def tries(clock: Clock) -> Delays:
    return Delays()


def test_nothing_waits_at_first(tries: Delays) -> None:
    assert not tries.is_waiting("api")
    assert tries.next() == float("inf")


def test_delays_double_with_every_failure_in_a_row_up_to_five_minutes(tries: Delays) -> None:
    seen = []
    for _ in range(11):
        tries.failed("api")
        seen.append(tries.next())
    assert seen == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_a_thousand_failures_are_waited_for_no_longer(tries: Delays) -> None:
    for _ in range(1000):
        tries.failed("api")
    assert tries.next() == 300


def test_it_waits_until_it_is_due(tries: Delays, clock: Clock) -> None:
    tries.failed("api")
    clock.now += 0.9
    assert tries.is_waiting("api")
    assert tries.next() == pytest.approx(0.1)
    clock.now += 0.11
    assert not tries.is_waiting("api")
    assert tries.next() == float("inf")


def test_one_cave_does_not_wait_for_another(tries: Delays) -> None:
    tries.failed("api")
    tries.failed("web")
    tries.failed("web")
    assert not tries.is_waiting("db")
    assert tries.next() == 1
    tries.succeeded("api")
    assert not tries.is_waiting("api")
    assert tries.is_waiting("web")
    assert tries.next() == 2


def test_a_success_ends_the_row(tries: Delays) -> None:
    for _ in range(5):
        tries.failed("api")
    tries.succeeded("api")
    tries.failed("api")
    assert tries.next() == 1


def test_a_success_of_one_that_never_failed_changes_nothing(tries: Delays) -> None:
    tries.succeeded("api")
    assert tries.next() == float("inf")


def test_when_the_file_has_changed_everything_may_be_tried_again(tries: Delays) -> None:
    for cave in ("api", "web", "web"):
        tries.failed(cave)
    tries.forget()
    assert not tries.is_waiting("api")
    assert not tries.is_waiting("web")
    assert tries.next() == float("inf")
    tries.failed("web")
    assert tries.next() == 1


def test_looking_itself_is_never_put_off_for_long(tries: Delays, clock: Clock) -> None:
    for cave in ("", "api"):
        for _ in range(30):
            tries.failed(cave)
    assert tries.next() == delays.LOOKING
    tries.succeeded("")
    assert tries.next() == delays.LONGEST
