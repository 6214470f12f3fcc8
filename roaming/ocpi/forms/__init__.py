"""Tables of the objects that more than one module quotes; OCPI modules must not import each other."""
