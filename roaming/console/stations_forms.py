"""Bodies that the API about stations takes: their fields, each with its meaning. Fields that are not here are refused,
and the OpenAPI document is made from these."""

from typing import Annotated

import msgspec

Text = Annotated[str, msgspec.Meta(max_length=512)]
Stations = Annotated[list[Text], msgspec.Meta(description="Ids of stations")]
Group = Annotated[Text, msgspec.Meta(description="All stations of this group")]
Tags = Annotated[list[Text], msgspec.Meta(description="All stations with all of these")]
Network = Annotated[Text, msgspec.Meta(description="Where several have stations of one name")]
Why = Annotated[Text, msgspec.Meta(description="Kept with the record: a ticket, a reason")]
DryRun = Annotated[bool, msgspec.Meta(description="Show what would be done, and do nothing")]
Whole = Annotated[int, msgspec.Meta(ge=0, le=10**6)]
Events = Annotated[list[Text], msgspec.Meta(description="Patterns of kinds: see /api/event-kinds")]
PartyOf = Annotated[Text, msgspec.Meta(description="Only of this party, such as NL-TNM")]


Left = msgspec.UNSET
"""Absent: as it is without being said."""


class Form(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A body. Absent: as the field's default, or as it is."""


class Labels(Form):
    """Groups and tags of stations."""

    stations: Stations = []
    group: Group = ""
    tags: Tags = []
    network: Network = ""
    set_group: Annotated[Text, msgspec.Meta(description="The group that they shall be in; empty: none")] = ""
    add_tags: list[Text] = []
    remove_tags: list[Text] = []
    dry_run: DryRun = False


class LocalLists(Form):
    """Local lists to be brought in line with the token store."""

    stations: Stations = []
    group: Group = ""
    tags: Tags = []
    network: Network = ""
    is_full: Annotated[bool, msgspec.Meta(description="All of it anew")] = False
    per_message: Annotated[int, msgspec.Meta(ge=1, le=1000, description="Entries each")] | msgspec.UnsetType = Left
    most: Annotated[int, msgspec.Meta(ge=1, description="Entries of a list")] | msgspec.UnsetType = Left
    why: Why = ""
    dry_run: DryRun = False


class BindingForm(Form):
    """What a station's connectors are, by the columns of ``station import``."""

    party: Annotated[Text, msgspec.Meta(description="Its CPO, hosted here, such as NL-TNM")]
    location: Annotated[Text, msgspec.Meta(description="Id; made when it does not exist")]
    connectors: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    evse: Annotated[Text, msgspec.Meta(description="uid of its first EVSE; absent: the station's id")] = ""
    password: Annotated[Text, msgspec.Meta(description="Absent: what it has, or a new one")] = ""
    no_password: bool = False
    tariff: Annotated[Text, msgspec.Meta(description="Id of a tariff of that CPO")] = ""
    address: Text = ""
    city: Text = ""
    postal_code: Text = ""
    country: Annotated[Text, msgspec.Meta(description="ISO 3166-1 alpha-3")] = ""
    latitude: Text = ""
    longitude: Text = ""
    time_zone: Annotated[Text, msgspec.Meta(description="IANA name")] = ""
    network: Network = ""
    dry_run: DryRun = False


class SecurityProfile(Form):
    """The least that a station may come with."""

    profile: Annotated[int, msgspec.Meta(ge=0, le=3)]
    network: Network = ""


class Revocation(Form):
    """Certificates that are not taken any more: ``certificate``, or ``all``."""

    certificate: Annotated[Text, msgspec.Meta(description="How its fingerprint begins")] = ""
    all: bool = False
    why: Why = ""
    network: Network = ""


class Webhook(Form):
    """Who is sent events."""

    name: Text
    url: Text
    events: Events = []
    party: PartyOf = ""
    secret: Annotated[Text, msgspec.Meta(description="Absent: a new one, which is answered this once")] = ""


class Mail(Form):
    """Who gets e-mail."""

    name: Text
    address: Text
    events: Events = []
    party: PartyOf = ""
    secret: Text = ""


class Wave(Form):
    """An update of many stations, some at a time."""

    file_id: Annotated[Text, msgspec.Meta(description="See /api/firmware")]
    name: Text = ""
    groups: Annotated[list[Text], msgspec.Meta(description="A step each, in this order")] = []
    stations: Annotated[list[Text], msgspec.Meta(description="One step, where there are no groups")] = []
    tags: Tags = []
    at_once: Whole | msgspec.UnsetType = Left
    most_failures: Annotated[Whole, msgspec.Meta(description="Percent")] | msgspec.UnsetType = Left
    judged_from: Annotated[Whole, msgspec.Meta(description="Stations that have ended")] | msgspec.UnsetType = Left
    patience: Annotated[Whole, msgspec.Meta(description="Seconds")] | msgspec.UnsetType = Left
    why: Why = ""
    dry_run: DryRun = False


class WaveChange(Form):
    """With ``resume``."""

    most_failures: Annotated[Whole, msgspec.Meta(description="Percent")] | msgspec.UnsetType = Left
