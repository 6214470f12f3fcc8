"""What the store raises that its callers handle."""


class StoreUnavailable(ConnectionError):
    """The database cannot be reached or broke off. Nothing of the transaction was kept; try again."""
