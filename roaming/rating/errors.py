"""The tree of rating errors. Each text names the field and what to do about it.

RatingError
├── MalformedTariff     the tariff cannot be read as a price list
├── MalformedPeriods    the charging periods contradict themselves
├── MalformedTimeline   the meter's story cannot be cut into periods
├── MalformedDocument   a tariff, Session or CDR is not what OCPI writes
├── Unverifiable        there is no signed data, or not what it would be compared with
├── CurrencyMismatch    tariff and charge name different currencies
├── MalformedSignals    prices of a day contradict themselves
├── UnknownReading      no reading has this name or value
└── UnsupportedNumber   a number with more digits than can be kept exact
"""


class RatingError(ValueError):
    """Parent of everything that rating raises."""


class MalformedTariff(RatingError):
    """A price or restriction of the tariff cannot be read."""


class MalformedPeriods(RatingError):
    """The charging periods, or the times around them, contradict themselves."""


class MalformedTimeline(RatingError):
    """The timeline cannot be cut into charging periods."""


class MalformedDocument(RatingError):
    """A field of a tariff, Session or CDR is missing or no value of its kind."""


class CurrencyMismatch(RatingError):
    """Tariff and charge name different currencies."""


class MalformedSignals(RatingError):
    """Prices of a day, or what a tariff is made of them with, cannot be read or contradict themselves."""


class UnknownReading(RatingError):
    """No reading has this name, or the reading not this value."""


class UnsupportedNumber(RatingError):
    """A number with more digits than the engine keeps exact."""
