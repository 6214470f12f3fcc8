"""What the token's owner is told of a CDR: made once, when the CDR is stored, and kept with it. Its list and the
delivery take it from there.

A CDR has one reader, so this is the text that somebody will want. What the reader's version cannot say, or wants more
for than is at hand, is left to whoever reads it.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import structlog

from roaming.model.cdr import CDR
from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole, Role
from roaming.model.version import Version
from roaming.modules.cdrs.codec import BY_VERSION
from roaming.ocpi.codec import EncodeContext, EncodeError, Loss, dump_json
from roaming.partners.directory import Directory, Partner
from roaming.store.documents import HERE, Origin

logger = structlog.get_logger(__name__)


class StoredText(msgspec.Struct, frozen=True, omit_defaults=True):
    """``Outgoing.detail`` of a CDR whose text is stored."""

    version: Version
    """Of the text."""
    lost: tuple[tuple[str, str], ...] = ()
    """What the text does not say: path and reason each."""

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What the partner must be known to miss."""
        return tuple(Loss(path, reason, self.version) for path, reason in self.lost)


class Said(NamedTuple):
    """A CDR as its reader is told it."""

    texts: Mapping[Version, str]
    """To be stored with it."""
    detail: str
    """For the delivery: a ``StoredText`` as JSON."""


NOTHING = Said({}, "")
"""The text is there as it came, or is made when it is wanted."""


def reader_of(directory: Directory, *, cpo: PartyId, emsp: PartyId, source: str) -> Partner | None:
    """The partner that may read a CDR of ``cpo`` which ``source`` gave us (empty: of ours): the one behind the token's
    owner, with an agreement."""
    partner = directory.partner_of(emsp, Role.EMSP)
    if partner is None or partner.id == source or not directory.may_exchange(cpo=cpo, emsp=emsp):
        return None
    return partner


def said_of(
    cdr: CDR, directory: Directory, *, source: str, origin: Origin = HERE, context: EncodeContext | None = None
) -> Said:
    """``cdr`` as its reader is told it. ``context``: what 2.1.1 wants beside it, where that is known. Never raises for
    what cannot be said: a CDR must be stored all the same."""
    cpo, token = PartyId.of(cdr.country_code, cdr.party_id), cdr.cdr_token
    emsp = PartyId.of(token.country_code, token.party_id)
    partner = reader_of(directory, cpo=cpo, emsp=emsp, source=source)
    version = partner.version if partner is not None else None
    if partner is None or version is None or (version == Version.V2_1_1 and context is None):
        return NOTHING
    if origin.version == version and origin.text is not None:
        return NOTHING
    try:
        encoded = BY_VERSION[version].encode(cdr, context=context)
        text = dump_json(encoded.body).decode()
    except EncodeError:
        return NOTHING  # the delivery says why
    except Exception:
        logger.exception("cdr_not_said", cdr=cdr.id, version=version)
        return NOTHING
    if encoded.losses and not partner.endpoint("cdrs", InterfaceRole.RECEIVER):
        return NOTHING  # the delivery would count them, and there is none
    stored = StoredText(version=version, lost=tuple((loss.path, loss.reason) for loss in encoded.losses))
    return Said({version: text}, msgspec.json.encode(stored).decode())


def stored_text_in(detail: str) -> StoredText | None:
    """What ``Outgoing.detail`` says of the text, if anything."""
    return msgspec.json.decode(detail, type=StoredText) if detail else None
