"""Which branch names git accepts (git-check-ref-format(1)), without asking it."""

import re

FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")


def is_valid(branch: str) -> bool:
    """What ``git check-ref-format --branch`` accepts, but for ``@{-1}``, which is no name."""
    return (
        bool(branch)
        and FORBIDDEN.search(branch) is None
        and not branch.startswith(("-", "/"))
        and not branch.endswith(("/", "."))
        and branch not in ("HEAD", "@")
        and not any(part.startswith(".") or part.endswith(".lock") for part in branch.split("/"))
    )


def conflict(branch: str, existing: frozenset[str]) -> str | None:
    """A branch that cannot live beside this one: refs are files, ``a`` and ``a/b`` exclude."""
    parts = branch.split("/")
    for count in range(1, len(parts)):
        if (shorter := "/".join(parts[:count])) in existing:
            return shorter
    return next((other for other in sorted(existing) if other.startswith(f"{branch}/")), None)
