"""A delivery from claim to outcome: what is known of it, and what an attempt means for it. No waiting, no writing."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from roaming.model.identifiers import PartyId
from roaming.ocpi.client import Answer, Outcome
from roaming.ocpi.codec import EncodeContext, EncodeError
from roaming.ocpi.module import (
    DeliveryJob,
    DeliveryKind,
    DeliveryRules,
    PushRequest,
    Recipient,
    Verdict,
    dialect_of,
)
from roaming.partners.directory import Directory, Partner
from roaming.partners.telling import view_towards
from roaming.store.columns import text_to_time

logger = structlog.get_logger(__name__)

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 60.0
COLUMNS = (
    "id, module, object_key, owner, part, order_key, detail, to_party, from_party, revision, attempts,"
    " is_in_doubt, is_full, correlation_id, created_at, due_at"
)
"""What ``Pending.of`` reads."""


@dataclass(frozen=True, kw_only=True)
class Pending:
    """A delivery as claimed."""

    job: DeliveryJob
    rules: DeliveryRules[Any]
    order_key: str
    revision: int
    is_in_doubt: bool
    correlation_id: str
    created_at: datetime
    due_at: datetime

    @classmethod
    def of(
        cls, row: Sequence[Any], partner: Partner, rules: Mapping[str, DeliveryRules[Any]], directory: Directory
    ) -> "Pending":
        """From a row of ``COLUMNS``."""
        owner = PartyId.parse(row[3])
        recipient = Recipient(
            partner_id=partner.id,
            to_party=PartyId.parse(row[7]) if row[7] else None,
            from_party=PartyId.parse(row[8]) if row[8] else None,
        )
        job = DeliveryJob(
            id=row[0],
            module=row[1],
            object_key=row[2],
            owner=owner,
            part=row[4],
            detail=row[6],
            partner=partner,
            recipient=recipient,
            attempts=row[10],
            is_full=bool(row[12]) or dialect_of(partner).patch == "no",
            view=view_towards(directory, partner, owner, recipient.to_party).view,
        )
        return cls(
            job=job,
            rules=rules[job.module],
            order_key=row[5],
            revision=row[9],
            is_in_doubt=bool(row[11]),
            correlation_id=row[13],
            created_at=text_to_time(row[14]),
            due_at=text_to_time(row[15]),
        )

    def is_row(self, row: Sequence[Any]) -> bool:
        """Whether ``row`` says what was claimed, and nothing newer."""
        return (self.job.id, self.revision) == (row[0], row[9])

    @property
    def is_record(self) -> bool:
        """It must not arrive twice."""
        return self.rules.kind == DeliveryKind.RECORD

    @property
    def endpoint(self) -> str:
        """The partner's address for the module, or empty."""
        return self.job.partner.endpoint(self.job.module, self.rules.interface) or ""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A delivery with its call; ``request`` is ``None`` when there is nothing to send, or nothing could be built."""

    pending: Pending
    request: PushRequest | None
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of one attempt."""

    pending: Pending
    verdict: Verdict
    error: str = ""
    remote_url: str = ""
    is_in_doubt: bool = False
    retry_after: float | None = None
    is_dropped: bool = False
    is_partner_trouble: bool = False
    """The partner could not answer properly: spare it for a while."""


def prepare(pending: Pending, found: Any, context: EncodeContext | None = None) -> Prepared:
    """The call of one delivery; ``found`` is what is stored, ``context`` what its version wants beside it."""
    job = pending.job if context is None else replace(pending.job, context=context)
    try:
        request = pending.rules.build(job, found, pending.endpoint)
    except EncodeError as error:  # foreseen: the version cannot say it
        logger.warning("delivery_cannot_be_said", delivery=job.id, module=job.module, reason=str(error))
        version = job.partner.version
        return Prepared(pending=pending, request=None, error=f"OCPI {version} cannot say this object: {error}")
    except Exception as error:
        logger.exception("delivery_cannot_be_built", delivery=pending.job.id, module=pending.job.module)
        return Prepared(pending=pending, request=None, error=f"{type(error).__name__}: {error}")
    return Prepared(pending=pending, request=request)


def judge(pending: Pending, request: PushRequest, answer: Answer) -> Result:
    """What a partner's answer means for the delivery."""
    error = answer.error or answer.message or f"HTTP {answer.http_status}"
    if request.method == "PATCH" and answer.http_status == 501:
        return Result(pending=pending, verdict=Verdict.REPLACE, error=error)
    match answer.outcome:
        case Outcome.DELIVERED:
            return Result(pending=pending, verdict=Verdict.DELIVERED, remote_url=remote_address(answer))
        case Outcome.REFUSED if request.method == "PATCH" and not pending.job.is_full:
            return Result(pending=pending, verdict=Verdict.REPLACE, error=error)
        case Outcome.REFUSED:
            is_about_us = answer.http_status in (401, 403)
            verdict = Verdict.RETRY if is_about_us else Verdict.REFUSED
            return Result(pending=pending, verdict=verdict, error=error, is_partner_trouble=is_about_us)
        case Outcome.UNKNOWN:
            return Result(
                pending=pending, verdict=Verdict.RETRY, error=error, is_in_doubt=True, is_partner_trouble=True
            )
        case Outcome.FAILED:
            return Result(
                pending=pending,
                verdict=Verdict.RETRY,
                error=error,
                is_in_doubt=pending.is_record,
                retry_after=answer.retry_after,
                is_partner_trouble=True,
            )
        case _:
            return Result(
                pending=pending,
                verdict=Verdict.RETRY,
                error=error,
                is_in_doubt=pending.is_in_doubt,
                is_partner_trouble=True,
            )


def remote_address(answer: Answer) -> str:
    """Where the partner keeps what it took: in the header Location, or in ``data`` as text or as an object with ``url``
    (ocpi/ocpi#331 and IZIVIA/ocpi-toolkit#144); empty when it does not say."""
    data = answer.data.get("url") if isinstance(answer.data, dict) else answer.data
    told = data if isinstance(data, str) and data.startswith(("https://", "http://")) else ""
    return answer.headers.get("location", "") or told


def outcome(result: Result, now: datetime) -> dict[str, Any]:
    """The delivery's row after an attempt, as far as attempts change it: the same columns for all."""
    pending = result.pending
    values: dict[str, Any] = {
        "id": pending.job.id,
        "revision": pending.revision,
        "state": "PENDING",
        "attempts": pending.job.attempts + 1,
        "is_in_doubt": False,
        "is_full": pending.job.is_full,
        "due_at": now,
        "done_at": None,
        "last_error": result.error[:1000],
        "remote_url": result.remote_url[:2000],
    }
    match result.verdict:
        case Verdict.DELIVERED:
            values |= {"state": "DROPPED" if result.is_dropped else "DELIVERED", "done_at": now, "is_full": False}
        case Verdict.REFUSED:
            values |= {"state": "REFUSED", "done_at": now}
        case Verdict.REPLACE:
            values["is_full"] = True
        case Verdict.RETRY:
            values["is_in_doubt"] = result.is_in_doubt
            if now - pending.created_at > pending.rules.give_up_after:
                values |= {"state": "DEAD", "done_at": now}
            else:
                values["due_at"] = now + timedelta(seconds=pause_after(pending.job.attempts))
    return values


def pause_after(attempts: int) -> float:
    """Seconds until the next try of one delivery: one that a partner cannot take must not hold up its others."""
    longest: float = min(FIRST_PAUSE * 2.0 ** min(attempts, 16), LONGEST_PAUSE)
    return longest * random.uniform(0.8, 1.0)  # noqa: S311 - jitter, no secret
