"""The one tree of errors that people see; each class carries its exit code, after sysexits(3).

Foreign exceptions become one of these once, where they enter the program (``raise … from exc``).
"""


class CaveError(Exception):
    """What could not be done, why and where; ``hint`` is what to do next."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(CaveError):
    """The command line asks for something that does not exist or does not fit."""

    exit_code = 64


class Unavailable(CaveError):
    """A program we stand on (tmux, git, an agent) is missing or unusable."""

    exit_code = 69


class Busy(CaveError):
    """Another agentcave works on this project."""

    exit_code = 75


class NotTrusted(CaveError):
    """A caves file found by search has not been trusted in its present form."""

    exit_code = 77


class SpecError(CaveError):
    """The caves file is wrong; ``problems`` is one line for each thing wrong, sorted by place."""

    exit_code = 78

    def __init__(self, problems: list[str], hint: str | None = None) -> None:
        super().__init__("\n".join(problems), hint)
        self.problems = problems

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class DeadlineExceeded(CaveError):
    """A wait reached its time-out."""

    exit_code = 124
