"""What one partner sees of one owner, found once from agreements and rules and small enough to be kept and compared.

Pure. Lists choose rows by it, objects are shown through it, and the difference of two views is what a partner must be
told after a rule has changed.
"""

from collections.abc import Sequence

import msgspec

from roaming.model.identifiers import PartyId, fold
from roaming.partners.agreements import Kind, Named, Rulebook, Thing, Viewer

TariffIds = tuple[str, ...]


class View(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Ids are folded. The default sees nothing: there is no agreement."""

    party: str = ""
    """Which of the partner's parties it is for, such as ``NL-TNM``; empty without an agreement."""
    is_open: bool = False
    """Whether it sees locations that ``locations`` does not name."""
    locations: dict[str, bool] = {}
    """Locations that rules name, where that differs from ``is_open``."""
    evses: dict[str, dict[str, bool]] = {}
    """EVSEs that rules name, by location, where that differs from what holds for their location."""
    tariff_ids: TariffIds | None = None
    """Offered at every connector in place of its own; ``None``: its own."""
    tariff_ids_at: dict[str, dict[str, TariffIds | None]] = {}
    """The same by location and EVSE, which is empty for all of the location; the narrower one holds."""
    are_tariffs_open: bool = False
    tariffs: dict[str, bool] = {}
    are_tokens_open: bool = False

    @property
    def is_plain(self) -> bool:
        """All locations as they are: ready texts may be sent."""
        return self.is_open and not self.locations and not self.alters

    @property
    def sees_all_tariffs(self) -> bool:
        """None is kept from it."""
        return self.are_tariffs_open and all(self.tariffs.values())

    @property
    def alters(self) -> bool:
        """Whether some locations look different from what is stored."""
        return bool(self.evses or self.tariff_ids_at) or self.tariff_ids is not None

    def alters_location(self, location_id: str) -> bool:
        """Whether this one does."""
        id = fold(location_id)
        return self.tariff_ids is not None or id in self.evses or id in self.tariff_ids_at

    def sees_location(self, location_id: str) -> bool:
        """Whether it sees the location, or an EVSE of it."""
        id = fold(location_id)
        return self.locations.get(id, self.is_open) or any(self.evses.get(id, {}).values())

    def sees_evse(self, location_id: str, uid: str) -> bool:
        """Whether it sees this EVSE."""
        id = fold(location_id)
        named = self.evses.get(id, {}).get(fold(uid))
        return self.locations.get(id, self.is_open) if named is None else named

    def sees_tariff(self, tariff_id: str) -> bool:
        """Whether it sees the tariff."""
        return self.tariffs.get(fold(tariff_id), self.are_tariffs_open)

    def tariffs_at(self, location_id: str, uid: str) -> TariffIds | None:
        """What it is offered at the connectors of an EVSE; ``None``: their own."""
        at = self.tariff_ids_at.get(fold(location_id), {})
        return at.get(fold(uid), at.get("", self.tariff_ids))

    def named_locations(self, *, is_seen: bool) -> tuple[str, ...]:
        """Locations that stand out from ``is_open`` by being seen, or hidden."""
        named = [*self.locations, *(id for id in self.evses if id not in self.locations)]
        return tuple(sorted(id for id in named if self.sees_location(id) == is_seen and is_seen != self.is_open))

    def named_tariffs(self, *, is_seen: bool) -> tuple[str, ...]:
        """Tariffs that stand out by being seen, or hidden."""
        return tuple(sorted(id for id, seen in self.tariffs.items() if seen == is_seen))


NOTHING = View()


def view_of(rulebook: Rulebook, partner_id: str, owner: PartyId, *, takers: Sequence[PartyId], is_told: bool) -> View:
    """What a partner sees of ``owner``. ``takers``: its parties under agreement that take locations and tariffs;
    ``is_told``: it has a CPO under agreement that takes the owner's tokens."""
    viewers = [Viewer(partner_id=partner_id, party=party) for party in takers]
    tokens = is_told
    if not viewers:
        return View(are_tokens_open=tokens)
    if not rulebook.rules:
        return View(party=str(takers[0]), is_open=True, are_tariffs_open=True, are_tokens_open=tokens)

    def sees(kind: Kind, id: str = "", uid: str = "") -> bool:
        thing = Thing(kind=kind, owner=owner, object_id=id, evse_uid=uid)
        return any(rulebook.decide(viewer, thing, has_agreement=True).is_allowed for viewer in viewers)

    is_open, are_tariffs_open = sees(Kind.LOCATIONS), sees(Kind.TARIFFS, _UNNAMED)
    named = rulebook.named(owner)
    locations = {id: seen for id in named.evses if (seen := sees(Kind.LOCATIONS, id)) != is_open}
    for ids in named.together.values():
        if (seen := sees(Kind.LOCATIONS, ids[0])) != is_open:
            locations |= dict.fromkeys(ids, seen)
    evses: dict[str, dict[str, bool]] = {}
    for id, uids in named.evses.items():
        whole = locations.get(id, is_open)
        apart = {uid: seen for uid in sorted(uids) if (seen := sees(Kind.LOCATIONS, id, uid)) != whole}
        if apart:
            evses[id] = apart
    offers = named.tariffs | rulebook.special_tariffs(owner)
    tariffs = {id: seen for id in offers if (seen := sees(Kind.TARIFFS, id)) != are_tariffs_open}
    prices = _Prices(rulebook, viewers, owner)
    everywhere = prices.at()
    return View(
        party=str(next((v.party for v in viewers if _sees_anything(rulebook, v, owner)), takers[0])),
        is_open=is_open,
        locations=locations,
        evses=evses,
        tariff_ids=everywhere,
        tariff_ids_at=prices.named(named, everywhere),
        are_tariffs_open=are_tariffs_open,
        tariffs=tariffs,
        are_tokens_open=tokens,
    )


_UNNAMED = "\0"
"""The id of a tariff that no rule names."""


def _sees_anything(rulebook: Rulebook, viewer: Viewer, owner: PartyId) -> bool:
    thing = Thing(kind=Kind.LOCATIONS, owner=owner)
    return rulebook.decide(viewer, thing, has_agreement=True).is_allowed


class _Prices:
    """Which tariffs are offered where. Several parties that look together are offered a price that all of them get who
    see the place, and else the connectors' own: a price of one is no other's to see."""

    def __init__(self, rulebook: Rulebook, viewers: Sequence[Viewer], owner: PartyId) -> None:
        self._rulebook, self._viewers, self._owner = rulebook, viewers, owner

    def at(self, location_id: str = "", uid: str = "") -> TariffIds | None:
        """What holds at a place."""
        viewers = self._viewers
        if len(viewers) > 1 and self._rulebook.has_prices:
            place = Thing(kind=Kind.LOCATIONS, owner=self._owner, object_id=location_id, evse_uid=uid)
            seeing = [v for v in viewers if self._rulebook.decide(v, place, has_agreement=True).is_allowed]
            viewers = seeing or viewers
        rules = [self._rulebook.price(viewer, self._owner, location_id, uid) for viewer in viewers]
        offers = {rule.tariff_ids if rule is not None else None for rule in rules}
        return offers.pop() if len(offers) == 1 else None

    def named(self, named: Named, everywhere: TariffIds | None) -> dict[str, dict[str, TariffIds | None]]:
        """What holds at named places, where that differs from what holds around them."""
        found: dict[str, dict[str, TariffIds | None]] = {}
        if not self._rulebook.has_prices:
            return found
        for id, uids in named.evses.items():
            here = self.at(id)
            if here != everywhere:
                found.setdefault(id, {})[""] = here
            for uid in uids:
                there = self.at(id, uid)
                if there != here:
                    found.setdefault(id, {})[uid] = there
        for ids in named.together.values():
            here = self.at(ids[0])
            if here != everywhere:
                found |= {id: {"": here} for id in ids}
        return found


def changed_locations(before: View, after: View) -> frozenset[str] | None:
    """Folded ids of locations that may look different; ``None``: any of them."""
    if (before.is_open, before.tariff_ids) != (after.is_open, after.tariff_ids):
        return None
    named = {id for view in (before, after) for ids in (view.locations, view.evses, view.tariff_ids_at) for id in ids}
    return frozenset(id for id in named if _at(before, id) != _at(after, id))


def _at(view: View, id: str) -> object:
    return view.locations.get(id, view.is_open), view.evses.get(id), view.tariff_ids_at.get(id)


def changed_tariffs(before: View, after: View) -> frozenset[str] | None:
    """Folded ids of tariffs that come or go; ``None``: any of them."""
    if before.are_tariffs_open != after.are_tariffs_open:
        return None
    named = {*before.tariffs, *after.tariffs}
    return frozenset(id for id in named if before.sees_tariff(id) != after.sees_tariff(id))
