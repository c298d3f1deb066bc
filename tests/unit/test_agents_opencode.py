"""opencode as recorded: 1.18.33 against a local model API, on screens of 200x50 and 80x24."""

import json
import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from plan_world import agent

from agentcave.agents import Adapter, Evidence, Seen, Start, opencode, opencode_api
from agentcave.errors import CaveError
from agentcave.model.spec import StopKey
from agentcave.model.status import Activity, Dialog, Judgement
from agentcave.plan.activity import is_silent, judge

SCREENS = Path(__file__).parent / "screens" / "opencode"
UUID = "17eaaa14-d296-46bd-a9d3-1569b5580335"
TALK = "ses_17eaaa14d29646bda9d31569b5580335"
NOW = 1_800_000_000.0
HOST, HOME, INSIDE = "vm", "OpenCode", "OC | Checkout rewrite"
PERMISSION: dict[str, Any] = {
    "id": "per_2054d7192001kxwDBhU6s1LWqV",
    "sessionID": TALK,
    "permission": "bash",
    "patterns": ["echo hi > out.txt"],
    "metadata": {"command": "echo hi > out.txt"},
    "always": ["echo *"],
    "tool": {"messageID": "msg_1", "callID": "call_1"},
}
DATABASE: dict[str, Any] = {
    "question": "Which database?",
    "header": "DB",
    "options": [{"label": "Postgres", "description": "big"}, {"label": "SQLite"}],
}
LANGUAGES: dict[str, Any] = {
    "question": "Pick langs?",
    "multiple": True,
    "options": [{"label": "Go"}, {"label": "Rust"}],
}
BUSY = {TALK: {"type": "busy"}}
RETRY = {"type": "retry", "attempt": 3, "message": "fake 429", "next": (NOW + 7) * 1000}
adapter: Adapter = opencode


def screen(name: str) -> str:
    return (SCREENS / name).read_text(encoding="utf-8").rstrip()


def seen(said: Any) -> Seen:
    return Seen(NOW, json.dumps(said).encode())


def api(status: Any = None, permission: Any = (), question: Any = ()) -> dict[str, Seen]:
    said = {"status": status or {}, "permission": permission, "question": question}
    return {name: seen(one) for name, one in said.items()}


def question(*asked: dict[str, Any]) -> dict[str, Any]:
    return {"id": "que_1", "sessionID": TALK, "questions": list(asked)}


def evidence(title: str = INSIDE, shown: str | None = None, **fields: Any) -> Evidence:
    text = screen(shown) if shown else None
    known: dict[str, Any] = {"born": NOW - 3600, "rules": adapter.SCREEN, "now": NOW, **fields}
    return Evidence(1, title=title, screen=text, **known)


def judged(title: str = INSIDE, shown: str | None = None, **fields: Any) -> Judgement:
    return judge(adapter.claims(evidence(title, shown, **fields)), NOW)


def dialog_of(*, permission: Any = (), question: Any = ()) -> Dialog:
    found = judged(api=api(BUSY, permission, question)).dialog
    assert found is not None
    return found


def start(**fields: Any) -> Start:
    spec = agent(type="opencode", **fields.pop("spec", {}))
    environment = {"HOME": "/home/dev", **fields.pop("environment", {})}
    known = {"folder": "/s/1", "port": 4711, "password": "pw", "briefing": "Read. ü"}
    return Start(spec, "/home/dev/shop", environment, **{**known, **fields})


def config(**fields: Any) -> Any:
    return json.loads(adapter.launch(start(**fields)).environment["OPENCODE_CONFIG_CONTENT"])


# -- launching -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "argv"),
    [
        ({}, ()),
        ({"spec": {"permission_mode": "plan"}}, ("--agent", "plan")),
        ({"spec": {"permission_mode": "ask"}}, ()),
        ({"spec": {"args": ("--auto",)}}, ("--auto",)),
        ({"conversation": UUID}, ("--session", TALK)),
        ({"conversation": "ses_2054aBc", "resume": True}, ("--session", "ses_2054aBc")),
        ({"prompt": "never on the command line"}, ()),
    ],
)
def test_it_listens_where_it_is_told(fields: dict[str, Any], argv: tuple[str, ...]) -> None:
    launched = adapter.launch(start(**fields))
    assert launched.argv == ("opencode", "--port", "4711", "--hostname", "127.0.0.1", *argv)
    assert launched.environment["AGENTCAVE_PORT"] == "4711"
    assert launched.environment["OPENCODE_SERVER_PASSWORD"] == "pw"


def test_the_password_is_in_the_environment_alone() -> None:
    launched = adapter.launch(start(conversation=UUID, password="hunter2-hunter2"))
    assert "hunter2" not in repr((launched.argv, launched.files, launched.before))


def test_a_conversation_is_imported_before_the_start_in_the_present_directory() -> None:
    launched = adapter.launch(start(conversation=UUID, spec={"command": ("npx", "opencode")}))
    assert launched.before is not None
    assert launched.before.argv == ("npx", "opencode", "import", "/dev/stdin")
    said = json.loads(launched.before.stdin)
    assert said["info"]["id"] == TALK
    assert said["info"]["directory"] == "/home/dev/shop"
    assert said["messages"] == []
    assert adapter.launch(start()).before is None


def test_it_is_told_of_its_working_context_by_its_instructions() -> None:
    launched = adapter.launch(start())
    assert launched.files == {"briefing.md": "Read. ü".encode()}
    assert config() == {"instructions": ["/s/1/briefing.md"]}


def test_what_is_declared_goes_over_the_configuration_of_the_environment() -> None:
    theirs = {
        "instructions": ["/home/dev/own.md"],
        "permission": {"bash": "allow", "task": "deny"},
        "model": "theirs/one",
        "theme": "system",
    }
    given = {"OPENCODE_CONFIG_CONTENT": json.dumps(theirs)}
    spec = {"model": "prov/big", "permission_mode": "ask"}
    assert config(environment=given, spec=spec) == {
        "instructions": ["/home/dev/own.md", "/s/1/briefing.md"],
        "permission": {"task": "deny", "bash": "ask", "edit": "ask", "webfetch": "ask"},
        "model": "prov/big",
        "theme": "system",
    }
    assert config(environment=given)["model"] == "theirs/one"


@pytest.mark.parametrize("text", ["{", "[]", "3", "[" * 100_000])
def test_a_configuration_that_cannot_be_added_to_is_refused(text: str) -> None:
    with pytest.raises(CaveError, match="OPENCODE_CONFIG_CONTENT"):
        adapter.launch(start(environment={"OPENCODE_CONFIG_CONTENT": text}))


@pytest.mark.parametrize(
    ("environment", "path"),
    [
        ({"HOME": "/home/[x]"}, "/home/[[]x]/.local/share/opencode/opencode.db"),
        ({"HOME": "/h", "XDG_DATA_HOME": "/d"}, "/d/opencode/opencode.db"),
        ({"HOME": "/h", "OPENCODE_DB": "/d/own.db"}, "/d/own.db"),
        ({"HOME": "/h", "OPENCODE_DB": ":memory:"}, None),
    ],
)
def test_conversations_lie_in_one_database(environment: dict[str, str], path: str | None) -> None:
    assert adapter.transcript(start(environment=environment, conversation=UUID)) == path


# -- asking ----------------------------------------------------------------------------------------


def test_it_is_asked_with_its_own_password() -> None:
    environment = adapter.launch(start(conversation=UUID)).environment
    asks = {ask.name: ask for ask in adapter.asks(environment)}
    login = b64encode(b"opencode:pw").decode()
    assert {ask.headers["Authorization"] for ask in asks.values()} == {f"Basic {login}"}
    assert {ask.port for ask in asks.values()} == {4711}
    assert [name for name, ask in asks.items() if not ask.proves] == [
        "status",
        "permission",
        "question",
    ]
    assert asks["messages"].path == f"/session/{TALK}/message?limit=5"


@pytest.mark.parametrize(
    "environment",
    [{}, {"AGENTCAVE_PORT": ""}, {"AGENTCAVE_PORT": "0"}, {"AGENTCAVE_PORT": "1 HTTP/1.0"}],
)
def test_who_has_no_port_is_not_asked(environment: dict[str, str]) -> None:
    assert adapter.asks(environment) == ()


def test_a_conversation_that_is_no_id_is_not_asked_for() -> None:
    environment = {"AGENTCAVE_PORT": "1", "AGENTCAVE_CONVERSATION": "ses_1/../2"}
    assert not any(ask.proves for ask in adapter.asks(environment))


# -- status ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "activity", "reason"),
    [
        (api(), Activity.IDLE, ""),
        (api(BUSY), Activity.WORKING, ""),
        (api({TALK: RETRY}), Activity.LIMITED, "fake 429"),
        (api({TALK: {"type": "busy"}, "ses_child": RETRY}), Activity.LIMITED, "fake 429"),
        (api(BUSY, [PERMISSION]), Activity.APPROVAL, "bash: echo hi > out.txt"),
        (
            api(BUSY, [{**PERMISSION, "sessionID": "ses_child"}]),
            Activity.APPROVAL,
            "bash: echo hi > out.txt",
        ),
        (
            api(BUSY, (), [question(DATABASE)]),
            Activity.QUESTION,
            "Which database? (Postgres, SQLite)",
        ),
    ],
)
def test_the_api_is_believed_whatever_the_screen_shows(
    said: dict[str, Seen], activity: Activity, reason: str
) -> None:
    for shown in (None, "idle-after-turn-80x24.txt", "approval-bash-80x24.txt"):
        found = judged(shown=shown, api=said)
        assert (found.activity, found.reason) == (activity, reason)
        assert found.winner is not None
        assert found.winner.source == "live"


def test_a_limit_ends_when_it_is_tried_again() -> None:
    found = judged(api=api({TALK: RETRY}))
    assert found.winner is not None
    assert found.winner.until == NOW + 7


@pytest.mark.parametrize("young", [{"born": NOW - 30}, {"title": HOST}])
def test_an_api_that_is_idle_before_the_box_is_drawn_does_not_make_it_ready(
    young: dict[str, Any],
) -> None:
    fields = {"api": api(), **young}
    assert is_silent(adapter.claims(evidence(**fields)), NOW)
    assert judged(**fields).activity is Activity.STARTING
    assert judged(shown="error-port-in-use-80x24.txt", **fields).activity is Activity.STARTING
    assert judged(shown="idle-home-80x24.txt", **fields).activity is Activity.IDLE


@pytest.mark.parametrize("missing", ["status", "permission", "question"])
def test_half_an_answer_is_none(missing: str) -> None:
    said = {name: one for name, one in api(BUSY).items() if name != missing}
    assert is_silent(adapter.claims(evidence(api=said)), NOW)
    assert judged(shown="approval-bash-200x50.txt", api=said).activity is Activity.APPROVAL


@pytest.mark.parametrize("size", ["200x50", "80x24"])
@pytest.mark.parametrize(
    ("name", "activity", "reason"),
    [
        ("approval-bash", Activity.APPROVAL, "# Shell command"),
        ("approval-edit", Activity.APPROVAL, "→ Edit new.txt"),
        ("approval-external-dir", Activity.APPROVAL, "← Access external directory /etc"),
        ("approval-subagent", Activity.APPROVAL, "# Shell command"),
        ("approval-reject-confirm", Activity.IDLE, ""),
        ("draft", Activity.IDLE, ""),
        ("error-401", Activity.IDLE, ""),
        ("error-port-in-use", Activity.STARTING, "it has not drawn its input box"),
        (
            "gate-login-no-provider",
            Activity.IDLE,
            "no provider of yours: prompts go to OpenCode Zen",
        ),
        ("idle-after-turn", Activity.IDLE, ""),
        ("idle-home", Activity.IDLE, ""),
        ("idle-interrupted", Activity.IDLE, ""),
        ("idle-resumed-after-kill", Activity.IDLE, ""),
        ("limited-retry", Activity.LIMITED, r"fake 429 \[retrying in \ds attempt #3\]"),
        ("limited-retry-after", Activity.LIMITED, r"fake 429 \[retrying in 59m 5\ds attempt #1\]"),
        ("question-one", Activity.QUESTION, "it does not say what"),
        ("question-two", Activity.QUESTION, "it does not say what"),
        ("question-freetext-open", Activity.QUESTION, "it does not say what"),
        ("working", Activity.WORKING, ""),
        ("working-esc-once", Activity.WORKING, ""),
        ("working-queued", Activity.WORKING, ""),
    ],
)
def test_without_its_api_the_screen_tells(
    name: str, size: str, activity: Activity, reason: str
) -> None:
    found = judged(shown=f"{name}-{size}.txt")
    assert found.activity is activity
    assert re.fullmatch(reason, found.reason)


@pytest.mark.parametrize("data", [b"", b"[", b"null", b"3", b'{"x": 1}', b"[1, null, {}]", b"\xff"])
def test_nothing_that_it_says_surprises(data: bytes) -> None:
    said = {name: Seen(NOW, data) for name in (*opencode_api.PATHS, "messages")}
    judged(api=said)
    assert adapter.conversation(said) is None
    assert not adapter.proof(said, "x", 0.0)


# -- conversations and prompts ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "talk"),
    [
        ({}, None),
        (BUSY, UUID),
        ({"ses_2054aBc": {"type": "busy"}}, "ses_2054aBc"),
        ({**BUSY, "ses_child": {"type": "busy"}}, None),
        ({"../x": {"type": "busy"}}, None),
    ],
)
def test_a_conversation_is_the_one_that_works_alone(status: Any, talk: str | None) -> None:
    assert adapter.conversation(api(status)) == talk


def message(text: str, role: str = "user", at: float = NOW) -> dict[str, Any]:
    parts = [{"type": "step-start"}, {"type": "text", "text": text}]
    return {"info": {"role": role, "time": {"created": int(at * 1000)}}, "parts": parts}


@pytest.mark.parametrize(
    ("taken", "proven"),
    [
        (message("two\nlines "), True),
        (message("two\nlines", at=NOW - 5), False),
        (message("two\nlines", role="assistant"), False),
        (message("two"), False),
    ],
)
def test_a_prompt_is_proven_by_its_text_and_time(taken: dict[str, Any], proven: bool) -> None:
    said = {"messages": seen([taken, message("later", role="assistant")])}
    assert adapter.proof(said, "two\r\nlines", NOW - 1) is proven
    assert not adapter.proof({}, "two\r\nlines", NOW - 1)


@pytest.mark.parametrize(
    ("text", "pasted"),
    [
        ("see @README.md", "see @README.md "),
        ("@x", "@x "),
        ("me@example.org is you", "me@example.org is you"),
        ("mail me@example.org", "mail me@example.org"),
        ("/compact", "/compact"),
        ("two\n@lines", "two\n@lines "),
    ],
)
def test_enter_never_completes_a_name(text: str, pasted: str) -> None:
    assert adapter.typed(text) == pasted


@pytest.mark.parametrize(
    ("name", "draft"),
    [
        ("colour-idle-200x50.ansi", ""),
        ("colour-draft-200x50.ansi", "my draft"),
        ("draft-200x50.txt", "my draft text"),
        ("draft-80x24.txt", "my draft text"),
        ("draft-multiline-paste-200x50.txt", "[Pasted ~6 lines]"),
        ("draft-multiline-paste-80x24.txt", "[Pasted ~6 lines]"),
        ("idle-home-200x50.txt", ""),
        ("idle-home-80x24.txt", ""),
        ("idle-after-turn-200x50.txt", ""),
        ("limited-retry-200x50.txt", ""),
        ("gate-login-no-provider-after-enter-200x50.txt", ""),
        ("approval-bash-200x50.txt", None),
        ("question-two-80x24.txt", None),
        ("error-port-in-use-200x50.txt", None),
    ],
)
def test_a_draft_is_what_stands_in_the_box(name: str, draft: str | None) -> None:
    assert adapter.draft(screen(name)) == draft


# -- dialogs ---------------------------------------------------------------------------------------

EDIT = {"permission": "edit", "metadata": {"filepath": "/home/dev/shop/src/new.txt", "diff": "+ x"}}
OUTSIDE = {"permission": "external_directory", "patterns": ["/etc/*"], "metadata": {}}
COMMAND = "echo hi > /home/dev/shop/bashout.txt && echo done"


@pytest.mark.parametrize("size", ["200x50", "80x24"])
@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("approval-bash", {"metadata": {"command": COMMAND}}),
        ("approval-edit", EDIT),
        ("approval-external-dir", OUTSIDE),
        ("approval-subagent", {"metadata": {"command": "echo in-sub"}}),
    ],
)
def test_the_screen_shows_the_dialog_that_the_api_tells_of(
    name: str, size: str, asked: dict[str, Any]
) -> None:
    told = dialog_of(permission=[{**PERMISSION, **asked}])
    assert adapter.is_shown(told, screen(f"{name}-{size}.txt"))
    assert not adapter.is_shown(told, screen(f"idle-after-turn-{size}.txt"))
    other = dialog_of(permission=[{**PERMISSION, "metadata": {"command": "rm -rf build"}}])
    assert not adapter.is_shown(other, screen(f"{name}-{size}.txt"))


@pytest.mark.parametrize("size", ["200x50", "80x24"])
def test_the_screen_shows_the_question(size: str) -> None:
    told = dialog_of(question=[question(DATABASE)])
    assert adapter.is_shown(told, screen(f"question-one-{size}.txt"))
    assert not adapter.is_shown(told, screen(f"approval-bash-{size}.txt"))


def lines(pattern: str, name: str) -> bool:
    """As tmux looks: line by line."""
    return any(re.search(pattern, line) for line in screen(name).splitlines())


@pytest.mark.parametrize("path", sorted(SCREENS.glob("*.txt")), ids=lambda path: path.stem)
def test_a_box_and_a_dialog_are_never_seen_together(path: Path) -> None:
    box, dialog = lines(adapter.INPUT, path.name), lines(adapter.DIALOG, path.name)
    assert dialog is path.stem.startswith(("approval", "question")) or box
    assert not (box and dialog)


def test_approvals_and_denials_are_single_keys() -> None:
    told = dialog_of(permission=[PERMISSION])
    assert told.id == "per_2054d7192001kxwDBhU6s1LWqV"
    assert adapter.keys("approve", told, "") == (StopKey("Enter"),)
    assert adapter.keys("deny", told, "") == (StopKey("Escape"),)
    assert adapter.keys("answer", told, "yes") is None


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("sqlite", (StopKey("2", literal=True),)),
        ("1", (StopKey("1", literal=True),)),
        (
            "DuckDB",
            (StopKey("3", literal=True), StopKey("DuckDB", literal=True), StopKey("Enter")),
        ),
    ],
)
def test_a_question_is_answered_by_number_or_in_words(text: str, keys: tuple[StopKey, ...]) -> None:
    assert adapter.keys("answer", dialog_of(question=[question(DATABASE)]), text) == keys


@pytest.mark.parametrize("asked", [(LANGUAGES,), (DATABASE, LANGUAGES)])
def test_what_is_not_one_single_choice_is_left_to_a_person(asked: tuple[dict[str, Any]]) -> None:
    told = dialog_of(question=[question(*asked)])
    assert adapter.keys("answer", told, "Go") is None
    assert adapter.keys("deny", told, "") == (StopKey("Escape"),)
