"""Writes down what a partner's traffic shows of its dialect: once, when it is new."""

from collections.abc import Sequence

import structlog

from roaming.ocpi.dialect import is_by_hand, is_known
from roaming.ocpi.habits import Habit
from roaming.ocpi.module import Services
from roaming.partners.dialects import note_seen
from roaming.store.errors import StoreUnavailable

logger = structlog.get_logger(__name__)


async def notice(services: Services, partner_id: str, habits: Sequence[Habit]) -> None:
    """Notes habits that are not known of the partner yet. What a person has set stays in force. Never raises: whoever
    talks to the partner goes on, and sees the habit again."""
    if not habits:
        return
    try:
        partner = (await services.directory.current()).partners.get(partner_id)
        if partner is None:
            return
        fresh = [habit for habit in habits if not is_known(partner.dialect, habit.name, habit.value)]
        if not fresh:
            return
        async with services.database.work() as work:
            await note_seen(work, partner_id, {habit.name: (habit.value, habit.why) for habit in fresh})
    except StoreUnavailable as error:
        logger.warning("habit_not_noted", partner=partner_id, reason=str(error))
        return
    for habit in fresh:
        known = {"switch": habit.name, "value": habit.value, "why": habit.why}
        logger.info("partner_habit", partner=partner_id, is_overruled=is_by_hand(partner.dialect, habit.name), **known)
