"""Which cells of OCPI there are, and which tests prove them."""
