"""The far side's answer, made into ours: what went wrong on the way, body, next page, address of a record."""

from typing import Any
from urllib.parse import urljoin

from roaming.hub import callbacks
from roaming.hub.callbacks import Kind
from roaming.hub.checking import owner_of
from roaming.hub.passage import Passage, may_deal
from roaming.hub.translating import NotInTheirVersion, Side, translate
from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole
from roaming.model.version import Version
from roaming.ocpi.answers import Answer, Outcome, Trouble
from roaming.ocpi.codec import DecodeError, EncodeError, dump_json
from roaming.ocpi.envelope import failure, success
from roaming.ocpi.errors import (
    SUCCESS,
    ConnectionProblem,
    ForwardTimeout,
    HubError,
    InvalidParameters,
    NotEnoughInformation,
    NotFound,
    OcpiError,
)
from roaming.ocpi.module import Clue, OcpiResponse, Services
from roaming.ocpi.paging import LIMIT, LINK, TOTAL_COUNT, is_downgrade, is_same_origin, mend_next_url, next_url
from roaming.ocpi.wire import Note, count_losses
from roaming.partners.directory import HUB

LOCATION = "Location"


def trouble_of(answer: Answer, passage: Passage) -> OcpiError | None:
    """Why there is nothing to pass back, as the hub says it; ``None`` for an answer of the far side."""
    party = passage.to_party
    if answer.outcome is not Outcome.UNREACHABLE and answer.trouble is Trouble.TIMEOUT:
        return ForwardTimeout(f"{party} did not answer in time; it may have received the request")
    if answer.trouble is Trouble.HTTP_STATUS and answer.http_status in (404, 405):
        return NotFound(f"{party} answers HTTP {answer.http_status} without saying why")
    if answer.trouble is Trouble.HTTP_STATUS and answer.outcome is Outcome.REFUSED:
        if passage.route.clue is Clue.DRIVER and not passage.request.body.strip():
            return NotEnoughInformation(
                f"{party} answers HTTP {answer.http_status}: send LocationReferences as the body"
            )
        return InvalidParameters(f"{party} answers HTTP {answer.http_status} without saying what it finds wrong")
    if answer.trouble is not None or (answer.http_status or 500) >= 500:
        return ConnectionProblem(f"{party} cannot be reached at the moment")
    return None


class Answering:
    """Makes the answer to one passed request. ``url``: what was called."""

    def __init__(self, services: Services, passage: Passage, url: str) -> None:
        self._services = services
        self._passage = passage
        self._url = url
        self._notes: list[Note] = []

    async def read(self, answer: Answer) -> OcpiResponse:
        """Raises ``HubError`` for what cannot be translated or leads astray. Losses are the caller's, who is told
        less."""
        try:
            return await self._read(answer)
        finally:
            passage = self._passage
            count_losses(self._services.journal, passage.request.partner.id, passage.module.id, self._notes)
            passage.request.notes.extend(map(str, self._notes))

    async def _read(self, answer: Answer) -> OcpiResponse:
        if answer.outcome is not Outcome.DELIVERED:
            return self._refusal(answer)
        body = await self._body(answer)
        headers = {
            name: answer.headers[name.lower()] for name in (TOTAL_COUNT, LIMIT) if name.lower() in answer.headers
        }
        headers |= await self._next_page(answer) | await self._record(answer)
        return OcpiResponse(
            data=body,
            http_status=answer.http_status or 200,
            headers=headers,
            is_enveloped=True,
            ocpi_status=answer.ocpi_status or SUCCESS,
            routing=self._passage.routing,
        )

    def _refusal(self, answer: Answer) -> OcpiResponse:
        """2xxx, 3xxx, and 4xxx of a hub further on, unchanged."""
        code = answer.ocpi_status or 3000
        body = answer.body
        if not self._passage.is_same_version or answer.ocpi_status is None:
            error = OcpiError(answer.message or answer.error or "", status_code=code)
            body = failure(error, self._services.clock.now(), version=self._passage.request.version)
        return OcpiResponse(
            data=body,
            http_status=answer.http_status or 200,
            is_enveloped=True,
            ocpi_status=code,
            routing=self._passage.routing,
        )

    async def _body(self, answer: Answer) -> bytes:
        """The whole envelope."""
        passage, gives = self._passage, self._passage.route.gives
        data = answer.data
        has_foreign = gives is not None and gives.is_list and _has_foreign(data, passage)
        if gives is not None and not gives.is_list and _is_anothers(data, passage):
            raise HubError(f"{passage.to_party} answers with what is another party's")
        if passage.is_same_version and answer.ocpi_status is not None and not has_foreign:
            return answer.body
        if gives is not None and gives.is_list:
            data = self._own(data)
        if gives is not None and gives.forms and data is not None and not passage.is_same_version:
            source = Side(
                version=passage.their_version,
                partner_id=passage.partner.id,
                owner=passage.to_party,
                readers=(passage.from_party,),
            )
            try:
                data = await translate(
                    passage, gives, data, source=source, target=passage.request.version, notes=self._notes
                )
            except NotInTheirVersion:
                raise HubError(f"OCPI {passage.request.version} has nothing of this kind") from None
            except DecodeError as error:
                raise HubError(
                    f"{passage.to_party} answers with what is no OCPI {passage.their_version}: {error}"
                ) from None
            except EncodeError as error:
                raise HubError(f"the answer cannot be said in OCPI {passage.request.version}: {error}") from None
        return success(None if data is None else dump_json(data), self._services.clock.now())

    def _own(self, data: Any) -> Any:
        """Of a list what is whose it should be: no partner is shown another one's drivers, and none answers for
        another one's party."""
        if not isinstance(data, list):
            return data
        own = [entry for entry in data if not _is_foreign(entry, self._passage)]
        if len(own) != len(data):
            self._notes.append(f"left out {len(data) - len(own)} of other parties")
        return own

    async def _next_page(self, answer: Answer) -> dict[str, str]:
        following = next_url(answer.headers.get(LINK.lower()), self._url)
        if following is None:
            return {}
        following, mended = mend_next_url(following, self._url)
        self._notes.extend(mended)
        if not is_same_origin(following, self._url) or is_downgrade(following, self._url):
            # Without the Link the list would look complete, and what is missing would be deleted
            raise HubError(f"the next page of {self._passage.to_party} lies at another host: it is not followed")
        address = await self._keep(Kind.PAGE, following, self._passage.route)
        return {LINK: f'<{address}>; rel="next"'}

    async def _record(self, answer: Answer) -> dict[str, str]:
        """Where a CDR is that was posted, by header or by a text or url in ``data``."""
        passage = self._passage
        if passage.request.method != "POST" or passage.route.gives is not None or passage.route.result is not None:
            return {}
        said = answer.headers.get(LOCATION.lower()) or _url_in(answer.data)
        if said is None:
            return {}
        try:
            url = urljoin(self._url, said)
        except ValueError:
            return {}
        route = next(
            (
                r
                for r in passage.module.routes
                if (r.method, r.interface) == ("GET", passage.route.interface) and r.path.startswith(passage.route.path)
            ),
            None,
        )
        if route is None or not is_same_origin(url, self._url):
            self._notes.append("Location leads to another host: left out")
            return {}
        return {LOCATION: await self._keep(Kind.RECORD, url, route)}

    async def _keep(self, kind: Kind, url: str, route: Any) -> str:
        passage = self._passage
        id = await callbacks.keep(
            self._services,
            kind,
            holder=passage.request.partner.id,
            target=passage.partner.id,
            url=url,
            module=passage.module,
            route=route,
            routing=passage.routing,
        )
        return callbacks.address(self._services, passage.request.version, id)


def _url_in(data: Any) -> str | None:
    said = data.get("url") if isinstance(data, dict) else data
    return said if isinstance(said, str) and said else None


def _is_foreign(entry: Any, passage: Passage) -> bool:
    driver = owner_of(entry.get("cdr_token")) if isinstance(entry, dict) else None
    return (driver is not None and driver != passage.from_party) or _is_anothers(entry, passage)


def _is_anothers(entry: Any, passage: Passage) -> bool:
    """Whether an object, or the token that is allowed or not, names an owner that whoever answers may not speak for.
    2.1.1 names none."""
    pull = passage.module.pull
    if passage.route.interface != InterfaceRole.SENDER or passage.their_version == Version.V2_1_1:
        return False
    if pull is None or not pull.names_owner or not isinstance(entry, dict):
        return False
    owner = owner_of(entry.get("token") if passage.route.clue is Clue.DRIVER else entry)
    return owner is not None and owner != passage.to_party and not _may_speak_for(passage, owner)


def _may_speak_for(passage: Passage, owner: PartyId) -> bool:
    """For other parties of the same platform that the caller has an agreement with; a hub that is asked as a whole for
    all that are nobody else's."""
    partner, directory = passage.partner, passage.request.directory
    if passage.to_party in partner.parties(HUB):
        return not directory.is_hosted(owner) and directory.partner_of(owner) in (None, partner)
    return owner in partner.parties() and may_deal(
        directory, passage.module, passage.route, asking=passage.from_party, asked=owner
    )


def _has_foreign(data: Any, passage: Passage) -> bool:
    return isinstance(data, list) and any(_is_foreign(entry, passage) for entry in data)
