"""Ids: compared without case, spelled as they came (OCPI CiString)."""

from typing import NamedTuple


def fold(identifier: str) -> str:
    """The form under which an id is compared and indexed.

    >>> fold("nl-Tnm") == fold("NL-TNM")
    True
    """
    return identifier.casefold()


class PartyId(NamedTuple):
    """A party in upper case, as OCPI sends it: ``PartyId("NL", "TNM")``. Use ``of`` for text from outside."""

    country_code: str
    party_id: str

    @classmethod
    def of(cls, country_code: str, party_id: str) -> "PartyId":
        """The party, whatever case it was written in."""
        return cls(country_code.upper(), party_id.upper())

    @classmethod
    def parse(cls, text: str) -> "PartyId":
        """From ``NL-TNM``, ``NL*TNM``, ``NL/TNM`` or ``NLTNM``. Raises ``ValueError`` for anything else."""
        compact = text.strip().replace("-", "").replace("*", "").replace("/", "")
        if len(compact) != 5 or not compact.isalnum():
            raise ValueError(f"{text!r} is no party: write country code and party id, such as NL-TNM")
        return cls.of(compact[:2], compact[2:])

    def __str__(self) -> str:
        return f"{self.country_code}-{self.party_id}"
