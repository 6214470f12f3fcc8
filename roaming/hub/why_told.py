"""What an object that a partner sees meets on its way there: its version, which may be unable to say it, and what came
of telling it. The body is the one that deliveries are made of."""

from collections.abc import Sequence
from typing import Any

from roaming.model.version import Version
from roaming.ocpi.codec import EncodeContext, EncodeError
from roaming.ocpi.module import DeliveryJob, DeliveryRules, PushRequest, Recipient, Services
from roaming.partners.directory import Partner
from roaming.partners.telling import Told
from roaming.store.documents import Stored


async def sayable(
    services: Services, module: str, rules: DeliveryRules[Any], stored: Stored, told: Told
) -> tuple[str, str, Sequence[str]]:
    """Whether the partner's version can say the object: yes, in part or no; why not; what it leaves out."""
    partner = told.partner
    context = EncodeContext()
    if rules.surroundings is not None and partner.version == Version.V2_1_1:
        found = await rules.surroundings(services.database.reader, {stored.key: stored})
        context = found.get(stored.key, context)
    try:
        request = _body(module, rules, stored, told, context)
    except EncodeError as error:
        return "no", str(error), ()
    losses = request.losses if request is not None else ()
    left_out = list(dict.fromkeys(f"{loss.path}: {loss.reason}" for loss in losses))
    return ("in part", "the fields named are left out", left_out) if left_out else ("yes", "all of it", ())


def _body(
    module: str, rules: DeliveryRules[Any], stored: Stored, told: Told, context: EncodeContext
) -> PushRequest | None:
    job = DeliveryJob(
        id=0,
        module=module,
        object_key=stored.key,
        owner=stored.owner,
        part="",
        detail="",
        partner=told.partner,
        recipient=Recipient(partner_id=told.partner.id, to_party=told.party, from_party=stored.owner),
        attempts=0,
        is_full=True,
        view=told.view,
        context=context,
    )
    return rules.build(job, stored, told.partner.endpoint(module, rules.interface) or "https://nowhere.invalid")


async def last_telling(services: Services, partner: Partner, module: str, key: str) -> tuple[str, str] | None:
    """The latest delivery that is not done: its state, and what to know of it. ``None``: all that was told is there."""
    rows = await services.database.reader.fetch(
        "SELECT id, state, attempts, last_error FROM deliveries WHERE module = $1 AND object_key = $2"
        " AND partner_id = $3 AND state IN ('PENDING', 'REFUSED', 'DEAD') ORDER BY id DESC LIMIT 1",
        module,
        key,
        partner.id,
    )
    if not rows:
        return None
    number, state, attempts, error = rows[0]
    sent_again = "" if state == "PENDING" else f"; roaming delivery replay {number}"
    return state, f"{error or 'not sent yet'} (attempts: {attempts}){sent_again}"
