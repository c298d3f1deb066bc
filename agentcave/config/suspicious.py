"""Strings that look like keys: they belong into ``secrets``, and never into a message."""

import re

_KEY = re.compile(
    r"\bsk-ant-[A-Za-z0-9_-]{16,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{16,}"
    r"|\bgithub_pat_[A-Za-z0-9_]{16,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*"
)

ADVICE = "name it under secrets, as {env: …}, {file: …} or {command: […]}"


def looks_like_a_key(text: str) -> bool:
    return _KEY.search(text) is not None


def redact(text: str) -> str:
    return _KEY.sub("[redacted]", text)
