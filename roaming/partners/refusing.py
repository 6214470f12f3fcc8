"""What is wrong with a wish to change agreements, rules or groups, by the field that says it."""


class Refused(ValueError):
    """``field``: as programs name it, such as ``location``; empty where it is none alone. The text says what to do."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


class Missing(Refused):
    """What is named is not there, which may be meant: whoever insists may store it."""
