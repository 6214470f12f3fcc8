"""What is encoded and decoded again is what it was, but for the losses that the codec declared."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from roaming.model.cdr import CDR
from roaming.model.location import EVSE, Connector, GeoLocation, Location
from roaming.model.party import Credentials
from roaming.model.session import Session
from roaming.model.version import Version
from roaming.ocpi.codec import Codec, DecodeContext, EncodeContext, EncodeError, Loss, dump_json, parse_json
from tests.roaming.ocpi.codecs import CODECS, codec_of
from tests.roaming.ocpi.objects import some_object

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def location_with(location_id: str, evse_uid: str, connector_id: str) -> Location:
    """A stored location that has this EVSE and connector."""
    connector = Connector(
        id=connector_id,
        standard="IEC_62196_T2",
        format="SOCKET",
        power_type="AC_3_PHASE",
        max_voltage=230,
        max_amperage=32,
        last_updated=NOW,
    )
    return Location(
        country_code="NL",
        party_id="TNM",
        id=location_id,
        publish=False,
        address="Coolsingel 40",
        city="Rotterdam",
        postal_code="3011",
        country="NLD",
        coordinates=GeoLocation(latitude="51.922500", longitude="4.479170"),
        time_zone="Europe/Amsterdam",
        evses=(EVSE(uid=evse_uid, status="CHARGING", connectors=(connector,), last_updated=NOW),),
        last_updated=NOW,
    )


def surroundings(value: Any) -> tuple[EncodeContext, DecodeContext]:
    """What the versions leave out of the body, as a caller would know it."""
    owner = getattr(value, "token", None)
    owner = value if isinstance(owner, str) or not hasattr(owner, "party_id") else owner
    place, session_location, cdr_location = None, None, None
    if isinstance(value, CDR):
        place = value.cdr_location
        cdr_location = location_with(place.id, place.evse_uid, place.connector_id)
    elif isinstance(value, Session):
        session_location = location_with(value.location_id, value.evse_uid, value.connector_id)
    return (
        EncodeContext(location=session_location, accepts_blank_postal_code=True),
        DecodeContext(
            country_code=getattr(owner, "country_code", None),
            party_id=getattr(owner, "party_id", None),
            cdr_token=getattr(value, "cdr_token", None),
            token=getattr(value, "token", None),
            location=cdr_location,
            evse_uid=place.evse_uid if place else None,
            connector_id=place.connector_id if place else None,
            time_zone=getattr(value, "time_zone", None),
            role=value.roles[0].role if isinstance(value, Credentials) else None,
        ),
    )


def made_sayable(value: Any, version: Version) -> Any:
    """``value`` without the one thing for which the version refuses the whole object."""
    if version == Version.V2_1_1 and isinstance(value, Location):
        return msgspec.structs.replace(value, publish=True)
    if version == Version.V2_1_1 and isinstance(value, CDR):
        return msgspec.structs.replace(value, credit=None)
    return value


def tree(value: Any) -> Any:
    """``value`` as dicts and lists that may be changed, with exact numbers and times."""
    return as_lists(msgspec.to_builtins(value, builtin_types=(Decimal, datetime)))


def as_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: as_lists(item) for name, item in value.items()}
    return [as_lists(item) for item in value] if isinstance(value, (list, tuple)) else value


def steps(path: str) -> list[str | int]:
    return [
        int(index) if index else name
        for name, index in re.findall(r"([a-z_0-9]+)(?=[.\[]|$)|\[(\d+)\]", path)
        if index or name
    ]


def at(root: Any, path: list[str | int]) -> Any:
    for step in path:
        if isinstance(root, dict):
            root = root.get(str(step))
        elif isinstance(root, (list, tuple)) and isinstance(step, int) and step < len(root):
            root = root[step]
        else:
            return None
    return root


def without_losses(before: Any, after: Any, losses: tuple[Loss, ...]) -> tuple[Any, Any]:
    """Both trees without what was declared: entries left out of a list, values lost or replaced."""
    listed = [steps(loss.path) for loss in losses]
    for *parent, index in sorted((path for path in listed if isinstance(path[-1], int)), key=str_last):
        holder, name = at(after, parent[:-1]), parent[-1]
        if at(before, [*parent, index]) is None or not isinstance(holder, dict):
            continue
        at(before, parent)[index] = None
        holder.setdefault(name, []).insert(index, None)
    for *parent, name in (path for path in listed if not isinstance(path[-1], int)):
        for root in (before, after):
            holder = at(root, parent)
            if isinstance(holder, dict):
                holder.pop(name, None)
    return before, after


def str_last(path: list[str | int]) -> tuple[str, int]:
    return ".".join(map(str, path[:-1])), int(path[-1])


CASES = sorted(CODECS)


@pytest.mark.parametrize(("module", "name", "version"), CASES, ids=[" ".join(case) for case in CASES])
@settings(max_examples=60, deadline=None)
@given(random=st.randoms(use_true_random=True))
def test_what_is_said_is_understood(module: str, name: str, version: Version, random: Random) -> None:
    codec: Codec[Any] = CODECS[module, name, version]
    value = made_sayable(some_object(codec_of(name, Version.V2_3_0).form, random), version)
    to_encode, to_decode = surroundings(value)
    try:
        encoded = codec.encode(value, context=to_encode)
    except EncodeError:
        event("held")
        return
    event("said")
    decoded = codec.decode(parse_json(dump_json(encoded.body)), context=to_decode).value
    before, after = without_losses(tree(value), tree(decoded), encoded.losses)
    assert after == before
