"""Time zone of a place from its country, for versions that leave it out. Only where the country decides it."""

from collections.abc import Mapping
from typing import Any

from roaming.ocpi.translation import FindingCode, Reading

_ZONES = """
AL ALB Europe/Tirane      AD AND Europe/Andorra     AT AUT Europe/Vienna      BE BEL Europe/Brussels
BA BIH Europe/Sarajevo    BG BGR Europe/Sofia       CH CHE Europe/Zurich      CY CYP Asia/Nicosia
CZ CZE Europe/Prague      DE DEU Europe/Berlin      DK DNK Europe/Copenhagen  EE EST Europe/Tallinn
FI FIN Europe/Helsinki    FR FRA Europe/Paris       GB GBR Europe/London      GR GRC Europe/Athens
HR HRV Europe/Zagreb      HU HUN Europe/Budapest    IE IRL Europe/Dublin      IS ISL Atlantic/Reykjavik
IL ISR Asia/Jerusalem     IN IND Asia/Kolkata       IT ITA Europe/Rome        JP JPN Asia/Tokyo
KR KOR Asia/Seoul         LI LIE Europe/Vaduz       LT LTU Europe/Vilnius     LU LUX Europe/Luxembourg
LV LVA Europe/Riga        MC MCO Europe/Monaco      ME MNE Europe/Podgorica   MK MKD Europe/Skopje
MT MLT Europe/Malta       NL NLD Europe/Amsterdam   NO NOR Europe/Oslo        PL POL Europe/Warsaw
RO ROU Europe/Bucharest   RS SRB Europe/Belgrade    SE SWE Europe/Stockholm   SG SGP Asia/Singapore
SI SVN Europe/Ljubljana   SK SVK Europe/Bratislava  SM SMR Europe/San_Marino  TR TUR Europe/Istanbul
"""


def _read_zones(table: str) -> dict[str, str]:
    words = table.split()
    zones = {}
    for two, three, zone in zip(words[::3], words[1::3], words[2::3], strict=True):
        zones[two] = zones[three] = zone
    return zones


TIME_ZONE_OF_COUNTRY: Mapping[str, str] = _read_zones(_ZONES)
"""IANA name by ISO 3166 code: alpha-3, as OCPI wants it, and alpha-2, as some partners send it."""


ALPHA_3: Mapping[str, str] = dict(zip(_ZONES.split()[::3], _ZONES.split()[1::3], strict=True))
"""ISO 3166-1 alpha-3 by alpha-2, of the same countries."""


class TimeZoneOfPlace:
    """What the context says, else what the country of the body decides, with a finding."""

    def __call__(self, body: Mapping[str, Any], reading: Reading) -> str | None:
        if reading.context.time_zone is not None:
            return reading.context.time_zone
        country = body.get("country")
        zone = TIME_ZONE_OF_COUNTRY.get(country.upper()) if isinstance(country, str) else None
        if zone is not None:
            reading.find("time_zone", FindingCode.MISSING, f"{zone}, by the country")
        return zone

    def __str__(self) -> str:
        return "context.time_zone"
