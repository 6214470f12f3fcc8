"""Agreements, rules and groups over HTTP, for operators: shown and changed as by commands, each change with who made
it. ``GET /api/openapi.json`` describes it.

``POST /api/rules`` takes the words of `roaming rule add`::

    {"effect": "deny", "kind": "locations", "of": "NL-ABC", "location": "SITE-1", "who": "partner:acme", "note": "yard"}
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import Response

from roaming.console import rules_forms as forms
from roaming.console.hearing import Unfit, limit_of, read
from roaming.console.saying import committed, given, said
from roaming.hub.why import NotKnown
from roaming.hub.why_price import why_of_session, why_there
from roaming.model.identifiers import PartyId
from roaming.model.time import parse_timestamp
from roaming.model.token import ProfileType
from roaming.ocpi.module import Services
from roaming.partners import changing
from roaming.partners.directory import Directory
from roaming.partners.refusing import Missing, Refused
from roaming.partners.registry import AGREEMENTS
from roaming.partners.rules import MEMBERS, rulebook_within
from roaming.partners.wishes import RuleWish, party
from roaming.rating.errors import UnknownReading
from roaming.rating.readings import checked, told

Work = Callable[[Services, Request, str], Awaitable[Response]]
FORCE = 'send "force": true where it comes later'
LARGEST_LIST = 1_000
_LONGEST = 255


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One operation, and what its document says."""

    method: str
    path: str
    handle: Work
    summary: str
    takes: type[Any] | None = None
    media: tuple[str, ...] = ("application/json",)
    """Of what it takes."""
    gives: type[Any] | None = None
    success: int = 200
    refusals: tuple[int, ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    """Parameters with a description of each."""


AS_CSV = ("format", "csv: for a spreadsheet")
"""The parameter of lists that have a twin for spreadsheets."""


async def get_rules(services: Services, _request: Request, _who: str) -> Response:
    async with services.database.reading() as connection:
        rulebook = await rulebook_within(connection)
    return given(forms.Rules(rules=tuple(map(forms.shown, rulebook.rules))))


async def post_rule(services: Services, request: Request, who: str) -> Response:
    wish = await read(request, RuleWish)
    number, _ = await changing.add_rule(services.database, services.directory, wish, who=who)
    async with services.database.reading() as connection:
        rules = (await rulebook_within(connection)).rules
    rule = next((rule for rule in rules if rule.id == number), None)
    if rule is None:
        raise changing.NotThere(f"rule {number} has been removed meanwhile")
    return given(forms.shown(rule), 201)


async def delete_rule(services: Services, request: Request, who: str) -> Response:
    number = _number("id", request.path_params["id"])
    await changing.remove_rule(services.database, number, who=who)
    return _nothing()


async def get_price_reason(services: Services, request: Request, _who: str) -> Response:
    query = request.query_params
    known = ("session", "of", "place", "token", "emsp", "at", "profile")
    asked = {name: _word(name, query[name]) for name in known if name in query}
    try:
        if "session" in asked:
            found = await why_of_session(services, asked["session"])
        elif "of" in asked and "place" in asked:
            found = await why_there(
                services,
                party("of", asked["of"]),
                asked["place"],
                at=_time("at", asked["at"]) if "at" in asked else None,
                token=asked.get("token", ""),
                emsp=party("emsp", asked["emsp"]) if "emsp" in asked else None,
                profile=_profile("profile", asked["profile"]) if "profile" in asked else "",
            )
        else:
            raise Unfit("a session, or of and place", "session")
    except NotKnown as error:
        return said(str(error), 404)
    return given(forms.WhyPriced(**asdict(found)))


def _profile(field: str, text: str) -> str:
    if text not in ProfileType.__members__:
        raise Unfit(f"one of {', '.join(ProfileType)}", field)
    return text


def _time(field: str, text: str) -> datetime:
    try:
        return parse_timestamp(text)
    except ValueError as error:
        raise Unfit(str(error), field) from None


async def get_agreements(services: Services, _request: Request, _who: str) -> Response:
    directory = await services.directory.current()
    async with services.database.reading() as connection:
        order = (AGREEMENTS.c.cpo, AGREEMENTS.c.emsp)
        rows = (await connection.execute(select(AGREEMENTS).order_by(*order))).all()
    return given(forms.Agreements(agreements=tuple(_agreement(directory, row) for row in rows)))


def _agreement(directory: Directory, row: Any) -> forms.ShownAgreement:
    cpo, emsp = PartyId.parse(row.cpo), PartyId.parse(row.emsp)
    cpo_of, emsp_of = (partner.id if (partner := directory.partner_of(party)) else "" for party in (cpo, emsp))
    holds = directory.may_exchange(cpo=cpo, emsp=emsp)
    return forms.ShownAgreement(
        cpo=row.cpo,
        emsp=row.emsp,
        is_in_force=row.is_active and holds,
        is_resting=row.is_active and not holds,
        since=row.since,
        cpo_of=cpo_of,
        emsp_of=emsp_of,
    )


async def put_agreement(services: Services, request: Request, who: str) -> Response:
    cpo, emsp = _pair(request)
    if not await changing.change_agreement(services.database, services.directory, cpo, emsp, is_active=True, who=who):
        return said(changing.rests(cpo, emsp), 409)
    return _nothing()


async def delete_agreement(services: Services, request: Request, who: str) -> Response:
    cpo, emsp = _pair(request)
    await changing.change_agreement(services.database, services.directory, cpo, emsp, is_active=False, who=who)
    return _nothing()


async def get_readings(services: Services, request: Request, _who: str) -> Response:
    cpo, emsp = _pair(request)
    async with services.database.reading() as connection:
        return _told(await changing.chosen_readings(connection, cpo, emsp))


async def put_readings(services: Services, request: Request, who: str) -> Response:
    cpo, emsp = _pair(request)
    wish = await read(request, forms.ReadingsWish)
    try:
        chosen = checked(wish.readings)
    except UnknownReading as error:
        raise Unfit(str(error), "readings") from None
    return _told(await changing.change_readings(services.database, cpo, emsp, chosen, is_anew=True, who=who))


def _told(chosen: Mapping[str, Any]) -> Response:
    shown = [
        forms.ShownReading(
            reading=each.name,
            value=each.value,
            default=each.default,
            values=each.values,
            is_chosen=each.is_chosen,
        )
        for each in told(chosen)
    ]
    return given(forms.AgreedReadings(readings=tuple(shown)))


async def get_groups(services: Services, _request: Request, _who: str) -> Response:
    async with services.database.reading() as connection:
        columns = (MEMBERS.c.kind, MEMBERS.c.name, MEMBERS.c.owner, MEMBERS.c.object_id)
        rows = (await connection.execute(select(*columns).order_by(*columns))).all()
    return given(forms.Groups(groups=forms.grouped((row[0], row[1], row[2], row[3]) for row in rows)))


async def post_members(services: Services, request: Request, who: str) -> Response:
    kind, name = _group(request)
    wish = await read(request, forms.Members)
    count = await changing.add_to_group(
        services.database, services.directory, kind, name, wish.members, who=who, is_forced=wish.force
    )
    return given(forms.Counted(members=count))


async def delete_members(services: Services, request: Request, who: str) -> Response:
    kind, name = _group(request)
    members = [_word("member", text) for text in request.query_params.getlist("member")]
    count = await changing.remove_from_group(services.database, kind, name, members, who=who)
    return given(forms.Counted(members=count))


async def get_changes(services: Services, request: Request, _who: str) -> Response:
    query = request.query_params
    limit = limit_of(request, usual=100, largest=LARGEST_LIST)
    before = _number("before", query["before"]) if "before" in query else None
    async with services.database.reading() as connection:
        found = await changing.list_changes(connection, limit=limit, before=before)
    return given(forms.Changes(changes=tuple(forms.ShownChange(**asdict(each)) for each in found)))


async def get_document(_services: Services, _request: Request, _who: str) -> Response:
    """As it is committed."""
    return committed("operators-rules.json")


def _nothing() -> Response:
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


def _pair(request: Request) -> tuple[PartyId, PartyId]:
    return party("cpo", request.path_params["cpo"]), party("emsp", request.path_params["emsp"])


def _group(request: Request) -> tuple[str, str]:
    return request.path_params["kind"], _word("name", request.path_params["name"])


def _word(field: str, text: str) -> str:
    if not text or len(text) > _LONGEST or "\0" in text or not text.isprintable():
        raise Unfit(f"a text of 1 to {_LONGEST} characters", field)
    return text


def _number(field: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Unfit("a whole number", field)
    return int(text)


_GROUP = "/api/groups/{kind}/{name}/members"
_AGREEMENT = "/api/agreements/{cpo}/{emsp}"
ENTRIES: Sequence[Entry] = (
    Entry(method="GET", path="/api/rules", handle=get_rules, summary="All rules", gives=forms.Rules),
    Entry(
        method="POST",
        path="/api/rules",
        handle=post_rule,
        summary="Add a rule, in place of one about the same; partners are told what they see from now on",
        takes=RuleWish,
        gives=forms.ShownRule,
        success=201,
        refusals=(400, 404),
    ),
    Entry(
        method="DELETE",
        path="/api/rules/{id}",
        handle=delete_rule,
        summary="Remove a rule; partners are told what they see from now on",
        success=204,
        refusals=(400, 404),
    ),
    Entry(
        method="GET",
        path="/api/price-reason",
        handle=get_price_reason,
        summary="Why a charge has its tariff: the price rule that decided, or would",
        gives=forms.WhyPriced,
        refusals=(400, 404),
        query=(
            ("session", "A charge that began: what was kept at its start"),
            ("of", "Else the CPO, such as NL-HUB,"),
            ("place", "LOCATION/EVSE, with a third part a connector,"),
            ("token", "the uid of the driver's token,"),
            ("emsp", "or whose driver it is,"),
            ("at", "and when it would begin; now unless given,"),
            ("profile", "as if the driver's preferences named CHEAP, FAST, GREEN or REGULAR"),
        ),
    ),
    Entry(
        method="GET", path="/api/agreements", handle=get_agreements, summary="All agreements", gives=forms.Agreements
    ),
    Entry(
        method="PUT",
        path=_AGREEMENT,
        handle=put_agreement,
        summary="Put an agreement in force",
        success=204,
        refusals=(400, 409),
    ),
    Entry(
        method="DELETE",
        path=_AGREEMENT,
        handle=delete_agreement,
        summary="End an agreement",
        success=204,
        refusals=(400, 404),
    ),
    Entry(
        method="GET",
        path=f"{_AGREEMENT}/readings",
        handle=get_readings,
        summary="How the two read tariffs where the texts leave a choice",
        gives=forms.AgreedReadings,
        refusals=(400, 404),
    ),
    Entry(
        method="PUT",
        path=f"{_AGREEMENT}/readings",
        handle=put_readings,
        summary="Choose how they do; charges that have begun keep what was chosen then",
        takes=forms.ReadingsWish,
        gives=forms.AgreedReadings,
        refusals=(400, 404),
    ),
    Entry(method="GET", path="/api/groups", handle=get_groups, summary="All groups", gives=forms.Groups),
    Entry(
        method="POST",
        path=_GROUP,
        handle=post_members,
        summary="Put members into a group, which begins with the first one",
        takes=forms.Members,
        gives=forms.Counted,
        refusals=(400,),
    ),
    Entry(
        method="DELETE",
        path=_GROUP,
        handle=delete_members,
        summary="Take members out of a group",
        gives=forms.Counted,
        refusals=(400,),
        query=(("member", "One that goes; may be repeated. Without any: all of them"),),
    ),
    Entry(
        method="GET",
        path="/api/rule-changes",
        handle=get_changes,
        summary="Who changed agreements, rules and groups, the newest first",
        gives=forms.Changes,
        refusals=(400,),
        query=(("limit", f"At most {LARGEST_LIST}; 100 unless given"), ("before", "Those older than this id")),
    ),
)


def _checked(handle: Work) -> Work:
    async def work(services: Services, request: Request, who: str) -> Response:
        try:
            return await handle(services, request, f"api:{who}")
        except Missing as error:
            return said(f"{error}; {FORCE}", 400, field=error.field)
        except (Refused, Unfit) as error:
            return said(str(error), 400, field=error.field)
        except changing.NotThere as error:
            return said(str(error), 404)

    return work


ROUTES: Sequence[tuple[str, str, Work]] = (
    ("/api/openapi.json", "GET", get_document),
    *((entry.path, entry.method, _checked(entry.handle)) for entry in ENTRIES),
)
