"""Why a status is what it is: every source, its age, and what won."""

from collections.abc import Iterator
from typing import Any

from agentcave.model.status import Claim, Judgement
from agentcave.report.json import dumps
from agentcave.report.sessions import Row, duration, row_object
from agentcave.report.text import one_line, table


def explanation(row: Row, now: float, *, full: bool) -> str:
    status = row.status
    activity = f", {status.activity}" if status.activity else ""
    reason = f": {one_line(status.reason)}" if status.reason else ""
    lines = [f"{'/'.join(row.key)} is {status.phase}{activity}{reason}"]
    judgement = status.judgement
    if judgement is not None and judgement.dialog is not None:
        lines.append(f"it asks ({judgement.dialog.kind}): {one_line(judgement.dialog.text)}")
        lines.append(f"dialog {one_line(judgement.dialog.id)}")
    if full and judgement is not None:
        lines += ["", *_sources(judgement, now)]
    return "\n".join(lines)


def _sources(judgement: Judgement, now: float) -> Iterator[str]:
    if not judgement.claims:
        yield "no source says anything: only that the process lives is known"
        return
    rows = [
        [
            _verdict(judgement, claim),
            claim.source,
            claim.activity.value,
            "now" if claim.at is None else duration(int(now - claim.at)),
            one_line(f"{claim.rule}: {claim.reason}" if claim.reason else claim.rule),
        ]
        for claim in judgement.claims
    ]
    yield table(rows, ["", "SOURCE", "SAYS", "SINCE", "BY"])


def _verdict(judgement: Judgement, claim: Claim) -> str:
    if claim == judgement.winner:
        return "won"
    if claim in judgement.expired:
        return "expired"
    return "doubts" if claim in judgement.doubts else "older"


def explanation_json(row: Row) -> str:
    judgement = row.status.judgement
    sources = [_source(judgement, one) for one in judgement.claims] if judgement else []
    return dumps(row_object(row) | {"sources": sources})


def _source(judgement: Judgement, claim: Claim) -> dict[str, Any]:
    return {
        "source": claim.source,
        "activity": claim.activity.value,
        "at": claim.at,
        "rule": claim.rule,
        "reason": claim.reason,
        "verdict": _verdict(judgement, claim),
    }
