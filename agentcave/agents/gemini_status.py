"""What Gemini CLI does, by its hooks, its title and its screen.

- The title shows the present, a second late at most, but not since when, and ``Ready`` in front
  of the dialogs of a start. Hooks give time and reason; a denial fires none.
- A request that is refused with 429 or 5xx is tried again for ever, and nothing shows it but the
  dialog for an exhausted quota: all else of it stays ``working``.
"""

from collections.abc import Sequence

from agentcave.agents import dialogs
from agentcave.agents.base import Events, Evidence
from agentcave.agents.gemini_screen import BOX, FAILURE, SENT, dialog_on, draft
from agentcave.agents.reading import (
    KINDS,
    fields,
    newest,
    screen_claims,
    told,
    unpadded,
    word,
)
from agentcave.model.spec import ScreenRule
from agentcave.model.status import Activity, Claim

TURNS = {"BeforeAgent": Activity.WORKING, "AfterAgent": Activity.IDLE}
"""``SessionStart`` means nothing: it fires behind the dialog for logging in."""
HOOKS = ("SessionStart", *TURNS, "BeforeTool", "Notification")
FIRST = "FirstPrompt"
"""An event of our own: the start has a prompt, which a prompt that is typed would overtake."""
TITLES = (("◇", Activity.IDLE), ("[✦⏲]", Activity.WORKING), ("✋", Activity.APPROVAL))
GRACE = 2.0
"""Seconds in which a title may lag behind a hook."""
UNSEEN = 5.0
"""Seconds of work after which the screen is looked at: no hook tells of an exhausted quota."""
REDRAWN = 3.0
"""Seconds after which the box of a resumed start is the last one (seen: 0.1, then it goes)."""
HOOKLESS = 20.0
"""Seconds after which a start is over, whether or not a hook has told of it."""
SILENT_END = "[no response text]"


def claims(evidence: Evidence) -> Sequence[Claim]:
    said = _titled(evidence)
    title = said[0].activity if said else None
    if _asks(title, evidence.events):
        return _asking(evidence)
    hooks, shown = _trusted(evidence, title), _shown(evidence, title)
    if shown:
        found = [*(one for one in hooks if one.at is not None), *shown]
    elif title is Activity.IDLE and "BeforeAgent" not in evidence.events:
        found = hooks  # before the first prompt, ``Ready`` says nothing
    else:
        found = [*hooks, *said]
    return found or [
        Claim("process", Activity.STARTING, "no input box and no prompt yet", "it is not ready yet")
    ]


def _titled(evidence: Evidence) -> list[Claim]:
    """Until a hook has fired, it may be what the program before has left on the terminal."""
    heard = set(HOOKS) & set(evidence.events) or _is_hookless(evidence)
    return told(evidence.title, TITLES) if heard else []


def _is_hookless(evidence: Evidence) -> bool:
    """In a folder that is not trusted no hook fires."""
    return evidence.now - evidence.born > HOOKLESS


def _asks(title: Activity | None, events: Events) -> bool:
    last = max(events, key=lambda name: events[name].at, default="")
    return title is Activity.APPROVAL or (title is None and last == "Notification")


def _trusted(evidence: Evidence, title: Activity | None) -> list[Claim]:
    """What hooks say, unless the title says otherwise for longer than it may lag behind them."""
    hooks = [
        Claim("hook", activity, f"hook {name}", "", evidence.events[name].at)
        for name, activity in TURNS.items()
        if name in evidence.events
    ]
    last = newest(hooks)
    if last is None or _overtaken(last, title, evidence.now):
        return []
    return _failed(evidence.events, last, title) or hooks


def _overtaken(last: Claim, title: Activity | None, now: float) -> bool:
    """Whether the title, and the screen, know better by now than the last hook."""
    age = now - (last.at or 0.0)
    if title is last.activity:
        return title is Activity.WORKING and age > UNSEEN
    return title is not None and age > GRACE


def _failed(events: Events, last: Claim, title: Activity | None) -> list[Claim]:
    """A turn that ended without an answer. Why, only the screen tells: hence no time."""
    if not (last.activity is title is Activity.IDLE):
        return []
    if word(fields(events["AfterAgent"].data), "prompt_response") != SILENT_END:
        return []
    return [last._replace(at=None, reason="the last turn ended without an answer")]


def _asking(evidence: Evidence) -> list[Claim]:
    """What is asked only the screen knows: of several tools at once, all are told of at first."""
    shown = _shown(evidence, Activity.APPROVAL)
    if not shown:
        return [dialogs.unsaid(evidence.title)]
    dialog = dialog_on(evidence.screen or "", shown[0].activity, evidence.events)
    at = max((seen.at for seen in evidence.events.values()), default=None)
    return [shown[0]._replace(reason=dialog.text, dialog=dialog, at=at)]


def _shown(evidence: Evidence, title: Activity | None) -> list[Claim]:
    rules = [rule for rule in evidence.rules if _fits(rule, title, evidence)]
    return screen_claims(rules, unpadded(evidence.screen))


def _fits(rule: ScreenRule, title: Activity | None, evidence: Evidence) -> bool:
    """The title says which kind of screen it can be: what scrolls there may look alike.

    A resumed conversation shows its old failures again.
    """
    begun, ready = "BeforeAgent" in evidence.events, title in (None, Activity.IDLE)
    if rule is BOX:
        return ready and not begun and _is_open(evidence)
    if rule.startup:
        return ready and not begun
    if rule.activity in KINDS:
        return title in KINDS
    if rule.match.startswith(FAILURE):
        return begun and title is Activity.IDLE
    return title is Activity.WORKING


def _is_open(evidence: Evidence) -> bool:
    """Whether the input box is there to stay.

    It is shown for a moment, and thrown away with what stands in it, before ``SessionStart``, and
    once more until a conversation to go on with is drawn. A first prompt comes only after that.
    """
    screen, seen = evidence.screen or "", evidence.events.get("SessionStart")
    if draft(screen) is None:
        return False
    if seen is None or FIRST in evidence.events:
        return _is_hookless(evidence)
    drawn = len(SENT.findall(screen)) > 1
    fresh = word(fields(seen.data), "source") != "resume"
    return fresh or drawn or evidence.now - seen.at > REDRAWN
