"""What an agent is told of its Working Context; pure."""

_TEXT = """\
You work in the cave "{cave}" of the project "{project}": an isolated workspace of your own.
Its Working Context lies in {folder}:
- background.md: requirements and constraints. Read it before you begin.
- plan.md: the approach. Follow it, and keep it right when you change course.
- working-log.md: keep it current while you work: what you did, decided and left open, so that a
  new conversation could go on from it.
- results-summary.md: write it at the end: what was done, what was left out, how it was checked.
Git does not track these files. After a resumed or compacted conversation, read them again.
"""


def briefing(project: str, cave: str, folder: str) -> str:
    """A short text for an agent's instructions. ``folder``: the absolute path of the files."""
    return _TEXT.format(project=project, cave=cave, folder=folder)
