"""Partners' dialects from the command line."""

from collections.abc import Sequence
from typing import Any

from roaming.cli.database import known_partner, services_of_now
from roaming.cli.output import fail
from roaming.ocpi.dialect import settings_of
from roaming.ocpi.switches import BY_NAME, UnknownSwitch, switch_of
from roaming.partners import dialects

AUTO = "auto"


async def dialect_rows(partner_id: str, settings: Sequence[str]) -> list[dict[str, Any]]:
    """Every switch of a partner, after ``settings`` (``switch=value``) were made."""
    wanted = [_parsed(text) for text in settings]
    async with services_of_now() as services:
        partner = await known_partner(services, partner_id)
        if wanted:
            async with services.database.work() as work:
                for name, value in wanted:
                    if value == AUTO:
                        await dialects.forget_switch(work, partner.id, name)
                    else:
                        await dialects.set_switch(work, partner.id, name, value)
            partner = await known_partner(services, partner_id)
    rows = []
    for setting in settings_of(partner.dialect, str(partner.version or "")):
        switch = BY_NAME[setting.name]
        rows.append(
            {
                "switch": setting.name,
                "value": setting.value,
                "by": setting.source,
                "since": setting.at,
                "seen": f"{setting.seen} ({setting.why})" if setting.seen else "",
                "seen at": setting.seen_at,
                "values": ", ".join(switch.values),
                "default": switch.default,
                "changes": switch.changes,
                "detected by": switch.detected or "nothing: by hand only",
            }
        )
    return rows


def _parsed(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    try:
        switch = switch_of(name.strip())
        value = value.strip()
        return switch.name, value if value == AUTO else switch.check(value)
    except UnknownSwitch as error:
        fail(f"--set: {error}")
