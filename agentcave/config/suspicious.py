"""Strings that look like keys: they belong into ``secrets``, and never into a message."""

import re

_KEY = re.compile(
    r"\bsk-(?:ant|proj|svcacct|admin|or-v1)-[A-Za-z0-9_-]{16,}"  # Anthropic, OpenAI, OpenRouter
    r"|\bsk-[A-Za-z0-9]{32,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{16,}"  # GitHub
    r"|\bgithub_pat_[A-Za-z0-9_]{16,}"
    r"|\bglpat-[A-Za-z0-9_-]{16,}"  # GitLab
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"  # Amazon
    r"|\bAIza[A-Za-z0-9_-]{35}"  # Google
    r"|\bxox[abeoprs]-[0-9][A-Za-z0-9-]{15,}"  # Slack
    r"|\bnpm_[A-Za-z0-9]{36}\b"
    r"|\bhf_[A-Za-z0-9]{30,}"  # Hugging Face
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*"
)

ADVICE = "name it under secrets, as {env: …}, {file: …} or {command: […]}"


def looks_like_a_key(text: str) -> bool:
    return _KEY.search(text) is not None


def redact(text: str) -> str:
    return _KEY.sub("[redacted]", text)
