"""The OCPI versions that are spoken here, oldest first."""

from enum import StrEnum


class Version(StrEnum):
    """A version number as it stands in ``versions`` answers."""

    V2_1_1 = "2.1.1"
    V2_2_1 = "2.2.1"
    V2_3_0 = "2.3.0"
