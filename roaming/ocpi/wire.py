"""The wire side of one exchange: bodies in the caller's version, read with what they leave to their surroundings.

What was tolerated on the way in and what could not be said on the way out is noted, for the journal.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from typing import TypeVar

from roaming.model.canonical import CanonicalObject
from roaming.model.identifiers import PartyId
from roaming.model.version import Version
from roaming.ocpi.codec import Codec, DecodeContext, EncodeContext, Finding, FindingCode, Loss, Patch, dump_json
from roaming.ocpi.errors import InvalidParameters
from roaming.ocpi.exact_json import has_repeated_keys
from roaming.store.documents import Origin
from roaming.store.journal import Journal

T = TypeVar("T", bound=CanonicalObject)
Note = str | Loss
"""What people read beside an exchange in the journal; losses are counted as well."""
_PASSED_ON = frozenset({FindingCode.UNKNOWN_VALUE, FindingCode.TOO_LONG, FindingCode.NOT_CARRIED})
"""What is not for us to mend."""
_NOTHING_KNOWN = DecodeContext()
_NOTHING_MORE = EncodeContext()


@dataclass(frozen=True, kw_only=True)
class Wire:
    """Reads and writes the bodies of one exchange."""

    version: Version
    received_at: datetime
    owner: PartyId | None = None
    """Whose object comes in, as the address or the connection says: 2.1.1 bodies do not."""
    zone: tzinfo | None = None
    """Of the partner's times that name none (``roaming.ocpi.switches``); ``None``: UTC."""
    text: str | None = None
    """The body as it came, where it is one object."""
    notes: list[Note] = field(default_factory=list)
    """Findings and losses, as people read them in the journal."""

    def decode(self, codecs: Mapping[Version, Codec[T]], body: object, *, context: DecodeContext = _NOTHING_KNOWN) -> T:
        """The object that ``body`` stands for. A missing ``last_updated`` is the time of receipt in 2.1.1, and a fault
        since 2.2. ``context``: what else is known of it. Raises ``DecodeError``."""
        return self.decode_as_told(codecs, body, context=context)[0]

    def decode_as_told(
        self, codecs: Mapping[Version, Codec[T]], body: object, *, context: DecodeContext = _NOTHING_KNOWN
    ) -> tuple[T, Origin]:
        """The same, and how it came: with its text, for others of this version, unless something had to be mended or
        could be read in two ways. Of an object of a list, whose text is not known apart, the JSON is written anew."""
        decoded = codecs[self.version].decode(body, context=self._context(context))
        self.notes.extend(finding_note(finding) for finding in decoded.findings)
        text = None
        if self.zone is None and all(finding.code in _PASSED_ON for finding in decoded.findings):
            is_clear = self.text is not None and not has_repeated_keys(self.text, body)
            text = self.text if is_clear else dump_json(body).decode()
        return decoded.value, Origin(self.version, text)

    def decode_patch(
        self, codecs: Mapping[Version, Codec[T]], body: object, *, context: DecodeContext = _NOTHING_KNOWN
    ) -> Patch[T]:
        """The change that ``body`` stands for. Raises ``DecodeError``, and ``InvalidParameters`` without
        ``last_updated``, which 2.1.1 alone does not demand."""
        change = codecs[self.version].decode_patch(body, context=self._context(context))
        if change.last_updated is None and self.version != Version.V2_1_1:
            raise InvalidParameters("last_updated: required in a PATCH")
        self.notes.extend(finding_note(finding) for finding in change.findings)
        return change

    def apply(self, change: Patch[T], value: T, *, last_updated: datetime) -> T:
        """``value`` with the change. One without ``last_updated`` is of the time of receipt, by our clock: so it is
        never before the ``last_updated`` that the value has by its owner's clock. Raises ``DecodeError``."""
        if change.last_updated is None:
            updated = max(self.received_at, last_updated)
            change = replace(change, changes={**change.changes, "last_updated": updated})
            self.notes.append(finding_note(Finding("last_updated", FindingCode.MISSING, updated.isoformat())))
        return change.apply(value)

    def encode(self, codecs: Mapping[Version, Codec[T]], value: T, *, context: EncodeContext = _NOTHING_MORE) -> bytes:
        """``value`` as JSON. ``context``: what the version wants beside it. Raises ``EncodeError``."""
        encoded = codecs[self.version].encode(value, context=context)
        self.notes.extend(encoded.losses)
        return dump_json(encoded.body)

    def _context(self, known: DecodeContext) -> DecodeContext:
        return replace(
            known,
            country_code=self.owner.country_code if self.owner else None,
            party_id=self.owner.party_id if self.owner else None,
            received_at=self.received_at if self.version == Version.V2_1_1 else None,
            zone_of_times=self.zone,
        )


def finding_note(finding: Finding) -> str:
    """A departure that was tolerated, in one line."""
    return f"tolerated {finding.path or 'body'}: {finding.code} {finding.detail}".rstrip()


def count_losses(journal: Journal, partner_id: str, module: str, notes: Iterable[Note]) -> None:
    """Counts the losses among ``notes``, towards the partner who was told less."""
    lost = [(str(note.version or ""), note.path, note.reason) for note in notes if isinstance(note, Loss)]
    if lost:
        journal.lose(partner_id, module, lost)


def as_text(notes: Iterable[Note]) -> str:
    """Notes in one line."""
    return "; ".join(map(str, notes))
