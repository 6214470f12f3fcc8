"""What a CDR's reader is told is made once, with the CDR: the list and the delivery take it from the store."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from roaming.model.canonical import to_document
from roaming.model.cdr import CDR
from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole, Role
from roaming.model.session import Session
from roaming.model.version import Version
from roaming.modules.cdrs import repository
from roaming.modules.cdrs.crediting import credit
from roaming.modules.cdrs.service import CODECS, issue_once, take
from roaming.modules.cdrs.telling import NOTHING, said_of, stored_text_in
from roaming.modules.sessions import repository as sessions
from roaming.modules.sessions.service import CODECS as SESSION_CODECS
from roaming.ocpi.codec import EncodeError
from roaming.ocpi.listing import text_of
from roaming.partners.directory import Directory, Endpoint, Partner, PartyRole
from roaming.store.documents import TEXT_COLUMN, Origin, PageRow
from roaming.store.losses import counted
from tests.kit import ocpi_bodies
from tests.kit.answering_partner import delivering
from tests.kit.hub_in_process import HOSTED_CPO, decoded
from tests.kit.passing import Passing, passing_hub
from tests.kit.wait import until
from tests.roaming.modules.cdrs.test_issuing import at
from tests.roaming.ocpi.objects import some_object
from tests.roaming.ocpi.test_codec_properties import made_sayable, surroundings

HUB, OURS = "NL-HUX", PartyId.parse(HOSTED_CPO)
TABLE = repository.DOCUMENTS.table


def directory_with(cdr: CDR, version: Version, *, is_told: bool = True, has_agreement: bool = True) -> Directory:
    """The CDR's token is of a partner that speaks ``version``."""
    cpo = PartyId.of(cdr.country_code, cdr.party_id)
    emsp = PartyId.of(cdr.cdr_token.country_code, cdr.cdr_token.party_id)
    receiver = Endpoint(module="cdrs", role=InterfaceRole.RECEIVER, url="https://partner.example/cdrs")
    partner = Partner(
        id="partner",
        name="",
        state="CONNECTED",
        version=version,
        versions_url="",
        endpoints=(receiver,) if is_told else (),
        roles=(PartyRole(party=emsp, role=Role.EMSP, name=""),),
        dialect={},
        allowed_parties=frozenset(),
        is_agreeing=True,
        sealed_token="",
    )
    agreements = frozenset({(cpo, emsp)} if has_agreement else ())
    return Directory(revision=1, partners={"partner": partner}, agreements=agreements)


@pytest.mark.parametrize("version", list(Version))
@settings(max_examples=60, deadline=None)
@given(random=st.randoms(use_true_random=True))
def test_the_text_is_that_of_the_list(version: Version, random: Random) -> None:
    cdr: CDR = made_sayable(some_object(CODECS[Version.V2_3_0].form, random), version)
    context = surroundings(cdr)[0]
    said = said_of(cdr, directory_with(cdr, version), source="", context=context)
    row = PageRow("key", cdr.last_updated, 1, None, to_document(cdr), "", "2.3.0")
    try:
        text, losses = text_of(row, CODECS[version], CDR, context=context)
    except EncodeError:
        event("held")
        assert said == NOTHING
        return
    told = stored_text_in(said.detail)
    assert told is not None
    assert (said.texts, told.losses) == ({version: text}, tuple(losses))
    assert all(loss.version == version for loss in told.losses)


def some_cdr() -> CDR:
    cdr: CDR = decoded(CODECS, ocpi_bodies.cdr(HOSTED_CPO, "IT-MSP"))
    return cdr


def test_what_is_not_known_is_left_to_the_reader() -> None:
    cdr = some_cdr()
    lossy = msgspec.structs.replace(cdr, booking_id="B1")
    newest, older = Version.V2_3_0, Version.V2_2_1
    assert said_of(cdr, directory_with(cdr, newest), source="partner") == NOTHING, "gave it to us"
    assert said_of(cdr, directory_with(cdr, newest, has_agreement=False), source="") == NOTHING
    assert said_of(cdr, directory_with(cdr, Version.V2_1_1), source="") == NOTHING, "wants the location"
    came = Origin(older, "{}")
    assert said_of(cdr, directory_with(cdr, older), source="", origin=came) == NOTHING, "there as it came"
    assert said_of(cdr, directory_with(cdr, newest), source="", origin=came).texts.keys() == {newest}
    assert said_of(cdr, directory_with(cdr, older, is_told=False), source="").texts.keys() == {older}
    assert said_of(lossy, directory_with(cdr, older, is_told=False), source="") == NOTHING, "nobody would count it"


def test_what_cannot_be_written_does_not_keep_a_cdr_from_being_stored() -> None:
    cdr = msgspec.structs.replace(some_cdr(), extra={"x": object()})
    assert said_of(cdr, directory_with(cdr, Version.V2_3_0), source="") == NOTHING


@pytest.fixture
async def passing(database_url: str, tmp_path: Path) -> AsyncIterator[Passing]:
    async with passing_hub(database_url, tmp_path, ope="2.2.1", msp="2.2.1", ms2="2.1.1") as running:
        yield running


async def issue(passing: Passing, emsp: str, id: str = "S1", remark: str | None = None) -> str:
    """A CDR of ours for a driver of ``emsp``; its key."""
    times = {"start_date_time": "2026-11-23T10:00:00Z", "end_date_time": "2026-11-23T11:00:00Z"}
    session: Session = decoded(
        SESSION_CODECS, ocpi_bodies.session(HOSTED_CPO, emsp, id=id, status="COMPLETED", **times)
    )
    key = sessions.key_of(OURS, session.id)
    services = passing.hub.services
    directory = await services.directory.current()
    async with services.database.work() as work:
        place = msgspec.structs.replace(at(), id="L1", postal_code="69002", publish=True)
        await sessions.keep_snapshot(work.connection, key, "location", place)
        assert await issue_once(work, directory, key, session, correlation_id="", cause="", remark=remark)
    ((cdr_key,),) = await services.database.reader.fetch("SELECT key FROM cdrs WHERE session_key = $1", key)
    return str(cdr_key)


async def texts_of(passing: Passing, key: str) -> dict[Version, str]:
    return dict((await repository.read_to_tell(passing.hub.services.database.reader, [key]))[key].texts)


async def listed(passing: Passing) -> str:
    """The list of the eMSP ``msp``."""
    return (await passing.msp.call("GET", passing.msp.speech.sender("cdrs"), to=HUB)).text


async def change(passing: Passing, key: str, version: Version, text: str | None) -> None:
    async with passing.hub.services.database.work() as work:
        await work.connection.execute(update(TABLE).where(TABLE.c.key == key).values({TEXT_COLUMN[version]: text}))


async def test_list_and_delivery_take_what_was_stored(passing: Passing) -> None:
    """A mark in the stored text is in both: nothing is made anew."""
    key = await issue(passing, "IT-MSP", remark="é" * 256)
    ((version, text),) = (await texts_of(passing, key)).items()
    assert version == Version.V2_2_1
    await change(passing, key, version, None)
    made = await listed(passing)
    assert (await texts_of(passing, key)) == {version: text}
    assert text in made
    marked = text.replace('"city":"', '"city":"Stored ')
    assert marked != text
    await change(passing, key, version, marked)
    assert marked in await listed(passing)
    async with delivering(passing.hub):
        await until(lambda: losses_of(passing))
    assert passing.msp.last.body.decode() == marked
    assert await losses_of(passing) == [("cdrs", "remark", 1)]


async def losses_of(passing: Passing) -> list[tuple[str, str, int]]:
    """Counted once the answer to a delivery has been read."""
    await passing.hub.services.journal.flush()
    lost = await counted(passing.hub.services.database.reader, "msp")
    return [(each.what.module, each.what.field, each.amount) for each in lost]


async def test_2_1_1_is_told_with_its_location_and_nothing_of_a_credit(passing: Passing) -> None:
    key = await issue(passing, "IT-MS2")
    ((version, text),) = (await texts_of(passing, key)).items()
    assert version == Version.V2_1_1
    await change(passing, key, version, None)
    assert text in (await passing.ms2.call("GET", "/2.1.1/cdrs")).text
    async with passing.hub.services.database.work() as work:
        issued = await credit(work, OURS, key.rsplit("/", 1)[1], reason="wrong")
    assert await texts_of(passing, repository.key_of(OURS, issued.id)) == {}


async def test_a_credit_is_told_as_it_is_issued(passing: Passing) -> None:
    key = await issue(passing, "IT-MSP")
    async with passing.hub.services.database.work() as work:
        issued = await credit(work, OURS, key.rsplit("/", 1)[1], reason="wrong")
    ((version, text),) = (await texts_of(passing, repository.key_of(OURS, issued.id))).items()
    assert version == Version.V2_2_1
    assert text in await listed(passing)


async def test_a_partners_cdr_is_kept_as_it_came_and_as_its_reader_reads_it(sqlite_url: str, tmp_path: Path) -> None:
    async with passing_hub(sqlite_url, tmp_path, ope="2.2.1", msp="2.3.0") as passing:
        body = ocpi_bodies.cdr("ES-OPE", "IT-MSP")
        directory = await passing.hub.services.directory.current()
        partner = directory.partners["ope"]
        owners, origin = tuple(directory.emsps_for(partner)), Origin(Version.V2_2_1, json.dumps(body))
        async with passing.hub.services.database.work() as work:
            await take(work, directory, decoded(CODECS, body), partner, body, owners=owners, origin=origin)
        texts = await texts_of(passing, "ES/OPE/c1")
        assert texts == {Version.V2_2_1: origin.text, Version.V2_3_0: texts[Version.V2_3_0]}
        assert texts[Version.V2_3_0] in await listed(passing)
        async with delivering(passing.hub):
            await until(lambda: passing.msp.asked)
        assert passing.msp.last.body.decode() == texts[Version.V2_3_0]
