"""What makes the energy of a charge doubtful, as it is kept with the session and said in its CDR."""

from roaming.model.canonical import CanonicalObject


class Doubts(CanonicalObject, frozen=True, kw_only=True):
    """In words, for who pays."""

    texts: tuple[str, ...] = ()
