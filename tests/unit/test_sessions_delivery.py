"""Delivering to a terminal in memory that swallows, delays, asks, dies and lies."""

import re
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from apply_world import anyio_backend as anyio_backend
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_world import session

from agentcave.agents import Adapter, claude, command, demo
from agentcave.errors import CaveError
from agentcave.model.spec import StopKey
from agentcave.model.status import Activity, Claim, Dialog, Judgement
from agentcave.sessions import delivery
from agentcave.sessions.base import SessionGone
from agentcave.sessions.delivery import (
    Delivery,
    NotDelivered,
    Sight,
    Unconfirmed,
    Wish,
    alone,
    deliver,
    pasteable,
)

IDLE, WORKING, STARTING = Activity.IDLE, Activity.WORKING, Activity.STARTING
APPROVAL, QUESTION = Activity.APPROVAL, Activity.QUESTION
SOON = Wish(timeout=0.05)
KINDS = {APPROVAL: "approval", QUESTION: "question"}


class Scripted:
    """A terminal with an input box. What it is to do wrong is set before; ``log`` is what was done.

    ``swallows``: so many Enters are lost. ``draws_after``: looks at the box until a paste shows.
    ``proves``: whether it tells which prompts it took.
    """

    def __init__(self, folder: Path, adapter: Adapter = claude) -> None:
        self.adapter, self.name, self.folder = adapter, "api/claude", str(folder)
        self.activity, self.reason = IDLE, ""
        self.dead = self.gone = self.attached = self.in_mode = False
        self.has_box, self.proves = adapter is claude, True
        self.swallows = self.draws_after = 0
        self.startup = self.queues_silently = False
        self.typed, self.draft = "", ""
        self.queued: list[str] = []
        self.taken: list[str] = []
        self.approved = 0
        self.log: list[str] = []
        self.at: dict[str, Callable[[], None]] = {}

    def do(self, what: str) -> None:
        self.log.append(what)
        if act := self.at.pop(what, None):
            act()

    def asks(self, activity: Activity, reason: str = "Bash: rm x") -> None:
        self.activity, self.reason = activity, reason

    async def look(self) -> Sight:
        self.do("look")
        if self.gone:
            raise SessionGone("api/claude is not there any more")
        dialog = None
        if self.activity in KINDS:
            kind = "startup" if self.startup else KINDS[self.activity]
            dialog = Dialog(kind, self.reason, "d")  # type: ignore[arg-type]
        claim = Claim("hook", self.activity, "", self.reason, dialog=dialog)
        pane = session("api")._replace(dead=self.dead, attached=self.attached, in_mode=self.in_mode)
        return Sight(pane, Judgement(self.activity, self.reason, claim))

    async def box(self) -> str | None:
        self.do("box")
        if not self.has_box or self.activity in KINDS:
            return None
        if self.typed and self.draws_after > 0:
            self.draws_after -= 1
            return self.draft
        return f"{self.draft}{self.typed}"

    async def paste(self, data: bytes) -> None:
        self.typed = data.decode()
        self.do("paste")

    async def press(self, key: StopKey) -> bool:
        assert key == StopKey("Enter")
        self.do("check")
        asked = self.activity in KINDS
        if asked and self.has_box:
            return False
        self.do("enter")  # what happens now comes behind it: tmux checks and presses at once
        if self.gone:
            raise CaveError("can't find pane: %1")
        if asked and not self.dead:
            self.approved += 1
        elif self.swallows:
            self.swallows -= 1
        elif self.typed and not self.dead:
            self._submit()
        return True

    def _submit(self) -> None:
        if self.queues_silently:
            self.queued.append(self.typed)
        else:
            self.taken.append(self.typed)
        self.typed = ""
        self.do("taken")

    async def took(self, text: str, since: float) -> bool:
        self.do("took")
        return self.proves and self.adapter.PROVES and text in self.taken

    async def leave_mode(self) -> None:
        self.do("leave mode")
        self.in_mode = False

    @property
    def done(self) -> list[str]:
        """What was done to the terminal, without looking."""
        return [what for what in self.log if what in ("leave mode", "paste", "enter")]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    times = {"LOOK_AGAIN": 0.001, "SHOWN_WITHIN": 0.05, "SETTLE": 0.0, "PROVEN_WITHIN": 0.02}
    for name, value in times.items():
        monkeypatch.setattr(delivery, name, value)


@pytest.fixture
def line(tmp_path: Path) -> Scripted:
    return Scripted(tmp_path)


async def refused(line: Scripted, wish: Wish = SOON, text: str = "hello") -> str:
    """Why it was not delivered; then nothing has been typed."""
    with pytest.raises(NotDelivered) as caught:
        await deliver(line, text, wish)
    assert (line.done, line.taken) == ([], [])
    return str(caught.value)


# Delivered.


async def test_a_prompt_is_pasted_then_entered_then_proven(line: Scripted) -> None:
    assert await deliver(line, "hello", SOON) == Delivery("delivered")
    assert (line.done, line.taken) == (["paste", "enter"], ["hello"])


async def test_enter_waits_until_the_paste_shows(line: Scripted) -> None:
    line.draws_after = 5
    assert (await deliver(line, "hello", SOON)).verdict == "delivered"
    assert line.log[line.log.index("paste") :].index("enter") > 5


@pytest.mark.parametrize("swallows", [1, delivery.ENTERS - 1])
async def test_a_swallowed_enter_is_pressed_again_and_the_text_not_typed_again(
    line: Scripted, swallows: int
) -> None:
    line.swallows = swallows
    assert (await deliver(line, "hello", SOON)).verdict == "delivered"
    assert line.done == ["paste", *["enter"] * (swallows + 1)]
    assert line.taken == ["hello"]


async def test_an_agent_without_an_input_box_proves_it_all_the_same(tmp_path: Path) -> None:
    line = Scripted(tmp_path, demo)
    assert await deliver(line, "hello", SOON) == Delivery("delivered")
    assert line.done == ["paste", "enter"]


async def test_a_prompt_that_is_queued_has_left_the_input_box_and_is_not_sent_again(
    line: Scripted,
) -> None:
    line.activity, line.queues_silently = WORKING, True
    told = await deliver(line, "hello", SOON)
    assert told == Delivery("delivered", "it is queued until the turn ends")
    assert (line.queued, line.done) == (["hello"], ["paste", "enter"])


async def test_what_the_agent_takes_as_a_command_of_its_own_is_sent(line: Scripted) -> None:
    line.proves = False
    told = await deliver(line, " /clear", SOON)
    assert told == Delivery("sent", "the agent took it as a command of its own")


async def test_an_agent_that_proves_nothing_was_sent_it_and_enter_is_pressed_once(
    tmp_path: Path,
) -> None:
    line = Scripted(tmp_path, command)
    assert await deliver(line, "hello", SOON) == Delivery("sent")
    assert line.done == ["paste", "enter"]


async def test_without_enter_it_is_delivered_when_it_stands_in_the_input_box(
    tmp_path: Path,
) -> None:
    boxed, boxless = Scripted(tmp_path), Scripted(tmp_path, demo)
    wish = Wish(enter=False)
    assert await deliver(boxed, "x", wish) == Delivery("delivered", "it stands in the input box")
    assert await deliver(boxless, "x", wish) == Delivery("sent", "it stands in the input box")
    assert boxed.done == boxless.done == ["paste"]


async def test_no_text_is_only_an_enter(tmp_path: Path) -> None:
    line = Scripted(tmp_path, command)
    assert (await deliver(line, "\n", SOON)).verdict == "sent"
    assert line.done == ["enter"]


# The gate.


async def test_the_dead_are_not_typed_to(line: Scripted) -> None:
    line.dead = True
    assert "not-delivered: api/claude has ended" in await refused(line)


async def test_what_is_starting_is_waited_for_and_not_for_ever(line: Scripted) -> None:
    line.activity = STARTING
    assert "has not started yet" in await refused(line)
    looks = line.log.count("look")
    assert looks > 1
    line.at["look"] = lambda: setattr(line, "activity", IDLE)
    assert (await deliver(line, "hello", SOON)).verdict == "delivered"


async def test_a_dialog_before_the_start_is_for_a_person(line: Scripted) -> None:
    line.asks(QUESTION, "trust this folder?")
    line.startup = True
    for wish in (SOON, SOON._replace(answer=True)):
        assert "has not started: trust this folder?" in await refused(line, wish)


@pytest.mark.parametrize("answer", [False, True])
async def test_nothing_is_ever_typed_into_an_approval(line: Scripted, answer: bool) -> None:
    line.asks(APPROVAL)
    told = await refused(line, SOON._replace(answer=answer))
    assert "waits for approval: Bash: rm x" in told
    assert "agentcave approve" in told


async def test_nothing_is_typed_into_a_question_unless_it_is_meant_for_it(tmp_path: Path) -> None:
    line = Scripted(tmp_path, command)
    line.asks(QUESTION, "Which?")
    told = await refused(line)
    assert "asks: Which?" in told
    assert "--answer" in told
    assert (await deliver(line, "blue", SOON._replace(answer=True))).verdict == "sent"
    assert line.done == ["paste", "enter"]


async def test_an_answer_is_delivered_when_the_question_is_gone(tmp_path: Path) -> None:
    line, wish = Scripted(tmp_path, demo), SOON._replace(answer=True)
    line.asks(QUESTION, "Which?")
    with pytest.raises(Unconfirmed, match=r"api/claude still asks: Which\?"):
        await deliver(line, "blue", wish)
    line.at["enter"] = lambda: setattr(line, "activity", WORKING)
    assert await deliver(line, "blue", wish) == Delivery("delivered", "it answers the question")


async def test_a_dialog_that_takes_only_keys_is_not_pasted_into(line: Scripted) -> None:
    line.asks(QUESTION, "Which?")
    told = await refused(line, SOON._replace(answer=True))
    assert "asks: Which?" in told
    assert "--answer" not in told


async def test_an_agent_that_works_and_cannot_queue_is_not_typed_to(tmp_path: Path) -> None:
    line = Scripted(tmp_path, demo)
    line.activity = WORKING
    told = await refused(line)
    assert "works, and takes no prompts meanwhile" in told
    assert "--wait" in told


async def test_to_wait_for_idle_is_to_wait_for_it(tmp_path: Path) -> None:
    line = Scripted(tmp_path, demo)
    line.activity = WORKING
    wish = SOON._replace(idle=True)
    assert "did not become idle" in await refused(line, wish)
    line.at["look"] = lambda: setattr(line, "activity", IDLE)
    assert (await deliver(line, "hello", wish)).verdict == "delivered"


async def test_copy_mode_of_nobody_is_left_and_that_of_a_person_is_not(line: Scripted) -> None:
    line.in_mode = line.attached = True
    assert "takes no keys: somebody scrolls in it, or chooses in tmux" in await refused(line)
    line.attached = False
    assert (await deliver(line, "hello", SOON)).verdict == "delivered"
    assert line.done == ["leave mode", "paste", "enter"]


async def test_a_draft_of_a_person_is_neither_sent_nor_changed(line: Scripted) -> None:
    line.draft = "half a thought"
    told = await refused(line)
    assert "a draft stands in the input box of api/claude: 'half a thought'" in told


async def test_a_session_that_is_gone_says_so(line: Scripted, tmp_path: Path) -> None:
    line.gone = True
    with pytest.raises(SessionGone):
        await deliver(line, "hello", SOON)
    line.folder = str(tmp_path / "gone")
    with pytest.raises(SessionGone):
        await deliver(line, "hello", SOON)


@pytest.mark.parametrize("activity", [IDLE, Activity.UNKNOWN, Activity.LIMITED])
async def test_whatever_takes_prompts_is_typed_to(line: Scripted, activity: Activity) -> None:
    line.activity = activity
    assert (await deliver(line, "hello", SOON)).verdict == "delivered"


# What happens after it was typed.


async def unconfirmed(line: Scripted) -> str:
    with pytest.raises(Unconfirmed) as caught:
        await deliver(line, "hello", SOON)
    return str(caught.value)


async def test_a_paste_that_never_shows_is_not_entered(line: Scripted) -> None:
    line.draws_after = 10_000
    told = await unconfirmed(line)
    assert "unconfirmed: the text did not appear in the input box of api/claude" in told
    assert line.done == ["paste"]


@pytest.mark.parametrize("when", ["paste", "check"])
async def test_a_dialog_that_opens_before_enter_is_not_answered_by_it(
    line: Scripted, when: str
) -> None:
    line.at[when] = lambda: line.asks(APPROVAL)
    with pytest.raises((NotDelivered, Unconfirmed)):
        await deliver(line, "hello", SOON)
    assert (line.approved, line.taken, line.done) == (0, [], ["paste"])


async def test_that_a_dialog_opened_before_enter_is_told(line: Scripted) -> None:
    line.at["check"] = lambda: line.asks(APPROVAL)
    with pytest.raises(NotDelivered, match="a dialog opened in api/claude before Enter"):
        await deliver(line, "hello", SOON)


async def test_a_dialog_behind_a_swallowed_enter_is_not_answered(line: Scripted) -> None:
    line.swallows = 1
    line.at["took"] = lambda: line.asks(QUESTION, "Which?")
    assert "api/claude question: Which?" in await unconfirmed(line)
    assert (line.approved, line.done) == (0, ["paste", "enter"])


async def test_one_who_dies_on_the_way_has_not_confirmed_it(line: Scripted) -> None:
    line.swallows = 1
    line.at["enter"] = lambda: setattr(line, "dead", True)
    assert "ended before it said that it took the prompt" in await unconfirmed(line)
    assert line.done == ["paste", "enter"]


@pytest.mark.parametrize("when", ["paste", "enter"])
async def test_a_session_that_goes_on_the_way_has_not_confirmed_it(
    line: Scripted, when: str
) -> None:
    line.at[when] = lambda: setattr(line, "gone", True)
    assert "typed to api/claude, and then: can't find pane" in await unconfirmed(line)


async def test_enter_is_pressed_so_often_and_not_for_ever(line: Scripted) -> None:
    line.swallows = 1000
    assert "did not say that it took the prompt" in await unconfirmed(line)
    assert line.done == ["paste", *["enter"] * delivery.ENTERS]


async def test_a_text_that_left_the_box_without_proof_is_not_sent_again(line: Scripted) -> None:
    line.proves = False
    assert "the text left the input box of api/claude, and no turn began" in await unconfirmed(line)
    assert line.done == ["paste", "enter"]


async def test_without_a_box_to_look_at_enter_is_pressed_once(tmp_path: Path) -> None:
    line = Scripted(tmp_path, demo)
    line.swallows = 1000
    assert "did not say that it took the prompt" in await unconfirmed(line)
    assert line.done == ["paste", "enter"]


async def test_a_proof_that_comes_late_is_a_proof(line: Scripted) -> None:
    line.proves = False
    line.at["taken"] = lambda: line.at.update(took=lambda: setattr(line, "proves", True))
    assert await deliver(line, "hello", SOON) == Delivery("delivered")
    assert line.done == ["paste", "enter"]


moments = st.sampled_from(["look", "box", "paste", "check", "enter", "took", "taken"])
mischiefs = st.sampled_from(["approval", "question", "dead", "gone", "no box", "works"])


def play(line: Scripted, mischief: str) -> None:
    match mischief:
        case "approval" | "question":
            line.asks(Activity(mischief))
        case "dead" | "gone":
            setattr(line, mischief, True)
        case "no box":
            line.has_box = False
        case _:
            line.activity = WORKING


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    script=st.dictionaries(moments, mischiefs, max_size=3),
    swallows=st.integers(0, 5),
    draws_after=st.integers(0, 3) | st.just(10_000),
    proves=st.booleans(),
    queues=st.booleans(),
)
def test_whatever_goes_wrong_the_verdict_is_true_and_nothing_is_approved(
    tmp_path: Path,
    script: dict[str, str],
    swallows: int,
    draws_after: int,
    proves: bool,
    queues: bool,
) -> None:
    line = Scripted(tmp_path)
    line.swallows, line.draws_after, line.proves = swallows, draws_after, proves
    line.queues_silently = queues
    line.at = {when: (lambda what=what: play(line, what)) for when, what in script.items()}  # type: ignore[misc]
    told = verdict(line)
    taken = [*line.taken, *line.queued]
    assert taken in ([], ["hello"])  # never twice, and never in parts
    assert line.done.count("paste") <= 1
    if told == "delivered":
        assert taken == ["hello"]
    if told == "not-delivered":
        assert taken == []
    if "no box" not in script.values():
        assert line.approved == 0


def verdict(line: Scripted) -> str:
    try:
        return anyio.run(deliver, line, "hello", SOON).verdict
    except (NotDelivered, Unconfirmed) as exc:
        return exc.message.partition(":")[0]
    except SessionGone:
        return "not-delivered"


# Two at once, and what may be typed.


async def test_two_who_send_at_once_do_not_mix(line: Scripted) -> None:
    line.draws_after = 3
    told: list[Delivery] = []

    async def send(text: str) -> None:
        told.append(await deliver(line, text, Wish()))

    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(send, f"prompt {number}")
    assert [one.verdict for one in told] == ["delivered"] * 8
    assert sorted(line.taken) == [f"prompt {number}" for number in range(8)]
    assert line.done == ["paste", "enter"] * 8


async def test_who_waits_too_long_for_another_sender_is_told(line: Scripted) -> None:
    async with alone(line.folder, 0.0):
        told = await refused(line)
    assert "another prompt is being delivered there all the time" in told
    assert (await deliver(line, "hello", SOON)).verdict == "delivered"


async def test_a_folder_that_cannot_be_opened_is_told(line: Scripted, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line.folder = str(tmp_path / "file")
    assert re.search("cannot open the session's folder .*: Not a directory", await refused(line))


@pytest.mark.parametrize(
    "text", ["-x", "a;b\n", "#{pane_id} $(id) `id`", "🦊 ü 日本", "a\tb", "x" * (1 << 20), "\udcff"]
)
def test_text_is_typed_as_it_is(text: str) -> None:
    assert pasteable(text) == text.rstrip("\n").encode("utf-8", "surrogateescape")


def test_the_ends_of_lines_are_newlines() -> None:
    assert pasteable("a\r\nb\r\n\r\n") == b"a\nb"


@pytest.mark.parametrize("code", [*range(9), 11, 12, 13, *range(14, 32), *range(127, 160)])
def test_control_characters_are_refused(code: int) -> None:
    with pytest.raises(NotDelivered, match="control characters"):
        pasteable(f"a{chr(code)}b")


async def test_what_cannot_be_typed_is_refused_before_anything_is_looked_at(
    line: Scripted,
) -> None:
    assert "control characters" in await refused(line, text="x\x1b[201~\ry")
    assert line.log == []
