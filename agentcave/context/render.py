"""What the standard files hold when the caves file seeds none of its own; pure."""

from agentcave.model.spec import CaveSpec

STANDARD = ("background.md", "plan.md", "working-log.md", "results-summary.md")

_BACKGROUND = """\
# Background: {cave}

{description}

Requirements, constraints and links that the agent has to know before it starts.
Written by the person who declares the cave (`context:` in the caves file), read by the agent.

## Requirements

## Constraints
"""

_PLAN = """\
# Plan: {cave}

The approach, as steps that can be checked off.
Begun by the person who declares the cave (`context:` in the caves file), refined by the agent.

- [ ] Read background.md
- [ ] Write the steps down here before changing anything
"""

_WORKING_LOG = """\
# Working log: {cave}

Progress, decisions and open questions, newest at the end, each entry with its date.
Written by the agent while it works, so that a new conversation can go on from here.
"""

_RESULTS_SUMMARY = """\
# Results: {cave}

What was done, what was left out and how it was checked.
Written by the agent when it is finished, read by the person who reviews the work.
"""

_NO_DESCRIPTION = "The caves file has no `description` for this cave yet."

_TEMPLATES = dict(zip(STANDARD, (_BACKGROUND, _PLAN, _WORKING_LOG, _RESULTS_SUMMARY), strict=True))


def template(name: str, cave: CaveSpec) -> bytes:
    """The text of a standard file; KeyError for any other name."""
    description = cave.description.strip() or _NO_DESCRIPTION
    return _TEMPLATES[name].format(cave=cave.name, description=description).encode()
