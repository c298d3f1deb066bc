"""Any program. It may tell its status itself, and a caves file may say what its screens mean.

To tell it, a program replaces (by rename) ``$AGENTCAVE_SESSION_DIR/status.event`` with a JSON
object: ``activity`` (a word of the contract) and, if it likes, ``reason``; ``id`` is another one
for another question.
"""

from collections.abc import Mapping, Sequence

from agentcave.agents.base import Answer, Ask, Events, Evidence, Launch, Start, TrustFile
from agentcave.agents.reading import KINDS, brief, fields, patient_search, screen_claims, word
from agentcave.model.spec import ScreenRule, StopKey
from agentcave.model.status import Activity, Claim, Dialog

PROGRAM: tuple[str, ...] = ()
INSTALL = "install it, or correct `command`"
SEEN: tuple[str, ...] = ()
CONVERSES = False
NAMES = False
REPORTS = False
QUEUES = True
PROVES = False
COMMANDS: tuple[str, ...] = ()
TYPES_PROMPT = False
SERVES = False
DRAWS = False
STOP_KEYS: tuple[StopKey, ...] = ()
STOP_SIGNAL = "TERM"
EVENTS: tuple[str, ...] = ("status",)
SCREEN: tuple[ScreenRule, ...] = ()
INPUT = ""
DIALOG = ""
UNRESUMABLE = ""


def launch(start: Start) -> Launch:
    return Launch((*(start.spec.command or PROGRAM), *start.spec.args))


def transcript(start: Start) -> str | None:
    return None


def trust_file(environment: Mapping[str, str]) -> TrustFile | None:
    return None


def with_trust(text: str, places: tuple[str, ...]) -> str | None:
    return None


def live_file(environment: Mapping[str, str], pid: int) -> str | None:
    return None


def asks(environment: Mapping[str, str]) -> Sequence[Ask]:
    return ()


def claims(evidence: Evidence) -> Sequence[Claim]:
    return [*reported(evidence), *screen_claims(evidence.rules, evidence.screen, patient_search)]


def reported(evidence: Evidence) -> list[Claim]:
    """What the program itself says in ``status.event``."""
    seen = evidence.events.get("status")
    if seen is None:
        return []
    said = fields(seen.data)
    try:
        activity = Activity(word(said, "activity"))
    except ValueError:
        return []
    reason = brief(word(said, "reason"))
    asked = word(said, "id") or f"{seen.at:f}"
    dialog = Dialog(KINDS[activity], reason, asked) if activity in KINDS else None
    return [Claim("live", activity, "status.event", reason, seen.at, dialog=dialog)]


def conversation(events: Events) -> str | None:
    return None


def proof(events: Events, text: str, since: float) -> bool:
    return False


def typed(text: str) -> str:
    return text


def draft(screen: str) -> str | None:
    return None


def is_shown(dialog: Dialog, screen: str) -> bool:
    return True


def keys(answer: Answer, dialog: Dialog, text: str) -> Sequence[StopKey] | None:
    return None
