"""Authorize, StartTransaction, MeterValues, StopTransaction: the messages that money hangs on.

What a station repeats gets the same answer and makes no second fact; what it cannot know (its transaction id, after
an answer was lost) is found; whatever it says about a transaction is answered.
"""

import hashlib
from datetime import datetime
from decimal import Decimal
from typing import Any

from adapters.kit.manifest import Authorization, Fact
from adapters.ocpp import moments, transactions
from adapters.ocpp.authorizing import Authorizing, Decided
from adapters.ocpp.recording import Desk, Unusable, connector_of, memory_of, moment_of
from adapters.ocpp.station import Request, Station
from adapters.ocpp.text import written
from adapters.ocpp.tokens import clean, fold
from adapters.ocpp.transactions import Transaction, TransactionState
from adapters.ocpp.v16 import meter_values, translate
from contracts.envelope import message_id
from contracts.messages import MeterSample, MeterValuesTaken, TransactionEnded, TransactionStarted
from contracts.vocabulary import AuthorizationStatus

_REFUSED = translate.from_authorization(AuthorizationStatus.UNKNOWN_TOKEN)


class Charging:
    """Handlers of the four messages."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._ports = desk.ports
        self._network = desk.ports.network
        self._transactions = desk.transactions
        self._tokens = desk.tokens
        self._authorizing = Authorizing(desk, has_led=self._has_led)

    def _has_led(self, station_id: str, command_id: str) -> bool:
        return self._transactions.led_by(station_id, command_id) is not None

    def correlation(self, station: Station, transaction_id: int | str) -> str:
        """Shared by all facts of one transaction."""
        return transactions.correlation(network=self._network, station_id=station.id, transaction_id=transaction_id)

    def minimal_answer(self, station: Station, request: Request) -> dict[str, Any] | None:
        """What ends a station's repeating without saying yes; ``None`` for messages that may be refused."""
        match request.call.action:
            case "StartTransaction":
                key = hashlib.blake2b(request.raw, digest_size=16).hexdigest()
                number = transactions.transaction_id(f"{station.id}:{key}", secret=self._ports.secret)
                return {"transactionId": number, "idTagInfo": dict(_REFUSED)}
            case "StopTransaction" | "MeterValues":
                return {}
            case _:
                return None

    async def authorize(self, station: Station, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        """Authorize. An accepted answer is kept for the start that follows."""
        tag = clean(payload["idTag"])
        if station.is_proxied:
            return {}
        if not station.is_admitted or not tag:
            return {"idTagInfo": dict(_REFUSED)}
        decided = await self._authorizing.before_start(station, request, tag)
        return {"idTagInfo": self._id_tag_info(decided.status, decided.group_id)}

    async def start(self, station: Station, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        """StartTransaction. A refused tag gets an id too: energy may have flowed."""
        connector_id = connector_of(payload["connectorId"])
        if not translate.is_register(payload["meterStart"]):
            raise Unusable("PropertyConstraintViolation", "meterStart: not a meter reading")
        tag = clean(payload["idTag"])
        moment = moment_of(station, payload.get("timestamp"), received_at=request.received_at)
        key, known = self._start_key(station, payload, connector_id=connector_id, tag=tag, moment=moment)
        if not station.is_admitted:
            number = transactions.transaction_id(key, secret=self._ports.secret)
            return {"transactionId": number, "idTagInfo": dict(_REFUSED)}
        if station.is_proxied:
            return await self._start_elsewhere(station, request, payload, key=key, known=known, moment=moment)
        if known is None:
            decided = await self._authorizing.for_start(station, request, tag, connector_id=connector_id)
            number = self._transactions.new_id(station.id, key)
            known = self._begin(station, request, payload, decided, key=key, number=number, moment=moment)
        else:
            station.deviations["repeated start"] += 1
        await self._desk.record(station, [self._started(station, known)])
        self._authorizing.use_up(station.id, known.id_tag, known.command_id)
        return {
            "transactionId": known.transaction_id,
            "idTagInfo": self._id_tag_info(known.status, known.group_id),
        }

    def _begin(
        self,
        station: Station,
        request: Request,
        payload: dict[str, Any],
        decided: Authorization,
        *,
        key: str,
        number: int,
        moment: moments.Moment,
        told: str | None = None,
    ) -> Transaction:
        return self._transactions.begin(
            Transaction(
                station_id=station.id,
                transaction_id=number,
                start_key=key,
                connector_id=connector_of(payload["connectorId"]),
                id_tag=fold(clean(payload["idTag"])),
                token_uid=decided.token_uid,
                started_at=moment.at,
                register_wh=int(payload["meterStart"]),
                status=decided.status,
                basis=decided.basis,
                reference=decided.authorization_reference,
                group_id=decided.group_id,
                command_id=decided.command_id,
                reservation_id=self._tokens.to_reservation_id(station.id, payload.get("reservationId")),
                owner=decided.owner,
                told=told,
            ),
            now=request.received_at,
        )

    async def _start_elsewhere(
        self,
        station: Station,
        request: Request,
        payload: dict[str, Any],
        *,
        key: str,
        known: Transaction | None,
        moment: moments.Moment,
    ) -> dict[str, Any]:
        """A start that the operator's own central system has answered: it gives the id and, but for drivers of the
        hub, the permission. Without its answer there is no transaction yet: the station says it again."""
        answer = translate.to_start_answer(request.reply)
        if answer is None:
            station.deviations["start without an answer"] += 1
            return {}
        tag, connector_id, now = clean(payload["idTag"]), connector_of(payload["connectorId"]), request.received_at
        # 0 and negative ids are given out for all: ours tells the transaction apart, the station's words lead to it
        number = answer.transaction_id or self._transactions.new_id(station.id, key)
        if known is None:
            decided = self._authorizing.elsewhere(station, request, tag, answer.status, connector_id=connector_id)
            is_taken = self._transactions.make_room(station.id, number, start_key=key)
            told = f"{number}~{key[:6]}" if is_taken else None
            known = self._begin(station, request, payload, decided, key=key, number=number, moment=moment, told=told)
        elif known.transaction_id != number and known.transaction_id > 0:
            station.deviations["another id for the same start"] += 1
            known = self._transactions.numbered(known, number, now=now)
        await self._desk.record(station, [self._started(station, known)])
        self._authorizing.use_up(station.id, known.id_tag, known.command_id)
        return {}

    async def decide(self, station: Station, request: Request, payload: dict[str, Any]) -> Decided:
        """Whether a driver of the hub may charge: in place of a central system that does not know the token."""
        tag = clean(payload["idTag"])
        if request.call.action == "Authorize":
            decided = await self._authorizing.before_start(station, request, tag)
        else:
            connector_id = connector_of(payload["connectorId"])
            decided = await self._authorizing.instead(station, request, tag, connector_id=connector_id)
        info = self._id_tag_info(decided.status, decided.group_id)
        return Decided(decided.status is AuthorizationStatus.ACCEPTED, "idTagInfo", info)

    async def stop(self, station: Station, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        """StopTransaction. The first one counts; an id we never gave is recorded as it is."""
        if not translate.is_register(payload["meterStop"]):
            raise Unusable("PropertyConstraintViolation", "meterStop: not a meter reading")
        if not station.is_admitted:
            return {}
        given, register = int(payload["transactionId"]), int(payload["meterStop"])
        key = transactions.end_key(
            transaction_id=given, timestamp=str(payload.get("timestamp", "")), register_wh=register
        )
        tag = clean(payload.get("idTag", ""))
        found = self._stopped(station, given, key=key, tag=tag, register=register)
        if found is not None and found.state is TransactionState.ENDED:
            station.deviations["repeated stop"] += 1
            return self._stop_answer(found, tag)
        moment = moment_of(station, payload.get("timestamp"), received_at=request.received_at)
        data = meter_values.to_samples(
            payload.get("transactionData", ()),
            received_at=request.received_at,
            offset=memory_of(station).clock.offset,
        )
        await self._desk.record(station, self._ended(station, payload, given, found, key=key, at=moment.at, data=data))
        if found is not None:
            self._transactions.end(found, key=key, now=request.received_at)
        else:
            station.deviations["stop of an unknown transaction"] += 1
        return self._stop_answer(found, tag)

    async def meter_values(self, station: Station, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        """MeterValues. Without a usable transaction id they belong to what is open on the connector."""
        connector = payload.get("connectorId")
        connector_id = None if connector is None else connector_of(connector)
        if not station.is_admitted:
            return {}
        samples = meter_values.to_samples(
            payload["meterValue"],
            received_at=request.received_at,
            offset=memory_of(station).clock.offset,
        )
        if not samples:
            station.deviations["meter values without a value"] += 1
            return {}
        given = payload.get("transactionId")
        transaction_id = self._metered(station, given, connector_id, samples)
        is_dated = all(moments.parse(entry.get("timestamp")) for entry in payload["meterValue"])
        taken = MeterValuesTaken(
            network=self._network,
            station_id=station.id,
            connector_id=connector_id,
            transaction_id=transaction_id,
            samples=samples,
        )
        await self._desk.record(
            station,
            [
                Fact(
                    id=message_id(
                        "meter",
                        self._network,
                        station.id,
                        connector_id,
                        given,
                        hashlib.blake2b(written(payload["meterValue"]), digest_size=16).hexdigest(),
                        "" if is_dated else f"{station.epoch}/{request.number}",
                    ),
                    message=taken,
                    station_id=station.id,
                    occurred_at=samples[-1].at,
                    correlation_id=self.correlation(station, transaction_id) if transaction_id else None,
                )
            ],
        )
        return {}

    def _start_key(
        self,
        station: Station,
        payload: dict[str, Any],
        *,
        connector_id: int,
        tag: str,
        moment: moments.Moment,
    ) -> tuple[str, Transaction | None]:
        """The key of this start, and the transaction it began when it is a repeat."""
        parsed = moments.parse(payload.get("timestamp"))
        for occurrence in range(1000):
            key = transactions.start_key(
                network=self._network,
                station_id=station.id,
                connector_id=connector_id,
                id_tag=fold(tag),
                timestamp=parsed.isoformat() if parsed else str(payload.get("timestamp", "")),
                register_wh=int(payload["meterStart"]),
                occurrence=occurrence,
            )
            known = self._transactions.find_start(station.id, key)
            # A station whose clock stands still starts twice at the same time: the second is another one, since
            # the first has ended.
            if known is None or known.state is not TransactionState.ENDED or (parsed and moment.is_clock_set):
                return key, known
        raise Unusable("PropertyConstraintViolation", "timestamp: set the clock")

    def _started(self, station: Station, known: Transaction) -> Fact:
        started = TransactionStarted(
            network=self._network,
            station_id=station.id,
            connector_id=known.connector_id,
            transaction_id=known.told_id,
            token_uid=known.token_uid,
            started_at=known.started_at,
            register_wh=Decimal(known.register_wh),
            authorization=known.status,
            authorization_basis=known.basis,
            authorization_reference=known.reference,
            command_id=known.command_id,
            reservation_id=known.reservation_id,
            token_owner=known.owner if known.status is AuthorizationStatus.ACCEPTED else None,
        )
        return Fact(
            id=known.start_key,
            message=started,
            station_id=station.id,
            occurred_at=known.started_at,
            correlation_id=self.correlation(station, known.told_id),
            cause=known.command_id,
        )

    def _stopped(self, station: Station, given: int, *, key: str, tag: str, register: int) -> Transaction | None:
        """The transaction a stop means. 0 and negative numbers come from stations that never got our answer."""
        repeated = self._transactions.find_end(station.id, key)
        if 0 < given <= transactions.LARGEST_ID:
            return repeated or self._transactions.find(station.id, given)
        station.deviations["transaction unknown to the station"] += 1
        if repeated is not None:
            return repeated
        candidates = [
            found for found in self._transactions.open_at(station.id).values() if found.register_wh <= register
        ]
        of_tag = [found for found in candidates if tag and found.id_tag == fold(tag)]
        fitting = of_tag or candidates
        return fitting[0] if len(fitting) == 1 else None

    def _ended(
        self,
        station: Station,
        payload: dict[str, Any],
        given: int,
        found: Transaction | None,
        *,
        key: str,
        at: datetime,
        data: tuple[MeterSample, ...],
    ) -> list[Fact]:
        number = found.told_id if found else str(given)
        is_id_known = found is not None or 0 < given <= transactions.LARGEST_ID
        parts = (self._network, station.id, number) if is_id_known else (self._network, station.id, number, key)
        reason, word = translate.to_stop_reason(payload.get("reason"))
        tag = clean(payload.get("idTag", ""))
        is_starter = found is not None and fold(tag) == found.id_tag
        ended = TransactionEnded(
            network=self._network,
            station_id=station.id,
            transaction_id=number,
            is_id_known=is_id_known,
            ended_at=at,
            register_wh=Decimal(int(payload["meterStop"])),
            register_start_wh=Decimal(found.register_wh) if found else None,
            reason=reason,
            reason_text=word,
            token_uid=found.token_uid if found and is_starter else self._tokens.to_uid(tag) if tag else None,
        )
        correlation_id = self.correlation(station, number) if is_id_known else None
        facts = []
        if data:
            taken = MeterValuesTaken(
                network=self._network,
                station_id=station.id,
                connector_id=found.connector_id if found else None,
                transaction_id=number if is_id_known else None,
                samples=data,
            )
            facts.append(
                Fact(
                    id=message_id("stop-data", *parts),
                    message=taken,
                    station_id=station.id,
                    occurred_at=data[-1].at,
                    correlation_id=correlation_id,
                )
            )
        facts.append(
            Fact(
                id=message_id("stop", *parts),
                message=ended,
                station_id=station.id,
                occurred_at=at,
                correlation_id=correlation_id,
            )
        )
        return facts

    def _stop_answer(self, found: Transaction | None, tag: str) -> dict[str, Any]:
        if found is None or not tag or fold(tag) != found.id_tag:
            return {}
        return {"idTagInfo": self._id_tag_info(found.status, found.group_id)}

    def _metered(
        self, station: Station, given: Any, connector_id: int | None, samples: tuple[MeterSample, ...]
    ) -> str | None:
        """The transaction of meter values. An id that may be ours stays as it is, also when this instance has never
        seen it; nonsense and absence fall to the open transaction of the connector."""
        if given is not None and 0 < int(given) <= transactions.LARGEST_ID:
            known = self._transactions.open_at(station.id).get(int(given))
            if known is not None:
                return known.told_id
            station.deviations["meter values of no open transaction"] += 1
            ended = self._transactions.find(station.id, int(given))
            return ended.told_id if ended is not None else str(int(given))
        if given is not None:
            station.deviations["transaction unknown to the station"] += 1
        if not connector_id:
            return None
        found = self._transactions.open_on(station.id, connector_id)
        if found is None or samples[-1].at < found.started_at:
            return None
        return found.told_id

    def _id_tag_info(self, status: AuthorizationStatus, group_id: str | None) -> dict[str, Any]:
        return translate.from_authorization(status, parent_id_tag=self._tokens.to_parent_id_tag(group_id))
