"""Sees to it that every partner's lists are pulled when they are due: one list of a partner at a time, over all
processes, and several partners beside each other.
"""

import asyncio
import random
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from roaming.hub.pulling import schedule, state
from roaming.hub.pulling.asking import line_of
from roaming.hub.pulling.runner import OnPage, Runner
from roaming.hub.pulling.state import Lost, Pull
from roaming.ocpi.module import OcpiModule, Services, pulled_lists
from roaming.ocpi.pulling import PullRules, module_of
from roaming.partners.directory import Directory, Partner
from roaming.store.errors import StoreUnavailable

logger = structlog.get_logger(__name__)

LOOK_SECONDS = 2.0
PARTNERS_AT_ONCE = 4
TURN_SECONDS = 600.0
"""Whoever's lists take longer goes on when the others that are due have had theirs: a few that answer slowly without
end must not keep everybody else's from being read."""
MISSED = timedelta(days=1)
"""A partner that registers again after so long is pulled at once, as after a first registration."""


class Puller:
    """Pulls what is due in this process."""

    def __init__(self, services: Services, modules: Sequence[OcpiModule]) -> None:
        self._services = services
        self._rules: Mapping[str, PullRules] = pulled_lists(modules)
        self._holder = uuid.uuid4().hex
        self._lanes: dict[str, asyncio.Task[None]] = {}
        self._known_revision = -1

    async def run(self) -> None:
        """Pulls until cancelled."""
        database = self._services.database
        try:
            while True:
                try:
                    await self.look_at_directory()
                    for partner_id in await state.due_partners(database.reader, self._services.clock.now()):
                        self._serve(partner_id)
                except StoreUnavailable as error:
                    logger.warning("pulls_wait", reason=str(error))
                await database.wakeups.wait("pulls", LOOK_SECONDS)
        finally:
            lanes = list(self._lanes.values())
            for task in lanes:
                task.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)

    async def look_at_directory(self) -> None:
        """Notes lists that can be pulled since the directory changed, and plans their first pull."""
        directory = await self._services.directory.current()
        if directory.revision == self._known_revision:
            return
        known = {(p.partner_id, p.module): p for p in await state.all_pulls(self._services.database.reader)}
        now = self._services.clock.now()
        fresh: list[tuple[Partner, str, PullRules]] = []
        again: list[tuple[Partner, Pull]] = []
        for partner in directory.partners.values():
            for module, rules in self._rules.items() if partner.is_connected else ():
                if partner.endpoint(module_of(module), rules.interface) is None or not rules.lines(directory, partner):
                    continue
                pull = known.get((partner.id, module))
                if pull is None:
                    fresh.append((partner, module, rules))
                elif pull.state == "OFF" or pull.connected_at != partner.connected_at:
                    again.append((partner, pull))
        if fresh or again:
            async with self._services.database.work() as work:
                await state.add(work, [self._new_row(partner, module, rules, now) for partner, module, rules in fresh])
                for partner, pull in again:
                    due_at = self._due_again(pull, now)
                    await state.reschedule(work, pull, connected_at=partner.connected_at, due_at=due_at)
        self._known_revision = directory.revision

    def _new_row(self, partner: Partner, module: str, rules: PullRules, now: datetime) -> dict[str, object]:
        return {
            "partner_id": partner.id,
            "module": module,
            "interface": rules.interface.value,
            "state": "NEW",
            "connected_at": partner.connected_at,
            "due_at": self._soon(now),
            "last_error": "",
            "progress": "{}",
        }

    def _due_again(self, pull: Pull, now: datetime) -> datetime:
        is_stale = pull.finished_at is None or now - pull.finished_at > MISSED
        return self._soon(now) if is_stale or pull.due_at is None else pull.due_at

    def _soon(self, now: datetime) -> datetime:
        return now + self._services.pulling.first_delay * random.uniform(1, 2)  # noqa: S311 - jitter, no secret

    def _serve(self, partner_id: str) -> None:
        self._lanes = {name: task for name, task in self._lanes.items() if not task.done()}
        if partner_id not in self._lanes and len(self._lanes) < PARTNERS_AT_ONCE:
            self._lanes[partner_id] = asyncio.create_task(self._lane(partner_id), name=f"pull:{partner_id}")

    async def _lane(self, partner_id: str) -> None:
        """All that is due of one partner, for one turn."""
        ends_at = time.monotonic() + TURN_SECONDS
        try:
            while await self.pull_next(partner_id, ends_at=ends_at) is not None:
                if time.monotonic() >= ends_at:
                    break
        except StoreUnavailable as error:
            logger.warning("pull_waits", partner=partner_id, reason=str(error))
        except Exception:
            logger.exception("pull_failed", partner=partner_id)
            await asyncio.sleep(LOOK_SECONDS)

    async def pull_next(
        self,
        partner_id: str,
        *,
        modules: Sequence[str] = (),
        on_page: OnPage | None = None,
        ends_at: float = float("inf"),
    ) -> Pull | None:
        """Pulls the next due list of this partner (among ``modules``) until it ends, fails or has to wait; ``None``
        when none is due or another process is at it. ``ends_at``: see ``Runner``. Raises ``StoreUnavailable``."""
        database = self._services.database
        async with database.work() as work:
            pull = await state.claim(work, partner_id, self._holder, modules=modules)
        if pull is None:
            return None
        try:
            runner = await self._prepared(pull, on_page, ends_at)
            if runner is not None:
                await runner.run()
        except Lost as error:
            logger.info("pull_taken_over", reason=str(error))
        except asyncio.CancelledError:
            await self._let_go(pull)
            raise
        return pull

    async def _prepared(self, pull: Pull, on_page: OnPage | None, ends_at: float) -> Runner | None:
        """The pull under way or a new one, ready to go on; ``None`` when it cannot be pulled any more."""
        services = self._services
        directory = await services.directory.current()
        partner, rules = directory.partners.get(pull.partner_id), self._rules.get(pull.module)
        async with services.database.work() as work:
            why_not = _reason_against(directory, partner, rules)
            if why_not or partner is None or rules is None:
                pull.state, pull.due_at, pull.last_error = "OFF", None, why_not
                await state.save(work, pull, is_released=True)
                return None
            is_unfinished = pull.state in state.UNFINISHED and pull.started_at is not None
            is_recent = pull.started_at is not None and work.now - pull.started_at < schedule.TOO_OLD
            if is_unfinished and is_recent and pull.wanted in ("", pull.kind, "DELTA"):
                pull.state = "RUNNING"
                await state.save(work, pull)
                await state.have_granted(work, pull)
            else:
                due = pull.kind if is_unfinished else schedule.kind_due(work.now, services.pulling, pull.full_at)
                kind = "FULL" if pull.full_at is None else pull.wanted or due
                await state.begin(work, pull, kind, [line_of(line) for line in rules.lines(directory, partner)])
        return Runner(services, directory, partner, rules, pull, on_page=on_page, ends_at=ends_at)

    async def _let_go(self, pull: Pull) -> None:
        """This process ends: another one may go on at once."""
        try:
            async with self._services.database.work() as work:
                await state.release(work, pull)
        except StoreUnavailable:
            logger.warning("pull_claim_is_left_to_lapse", partner=pull.partner_id, module=pull.module)


def _reason_against(directory: Directory, partner: Partner | None, rules: PullRules | None) -> str:
    if partner is None or not partner.is_connected or partner.version is None:
        return "the partner is not registered"
    if rules is None:
        return "this release does not pull this module"
    return "" if rules.lines(directory, partner) else "no agreement is in force"
