"""Codecs of tokens and of what an eMSP says of them, a file per version. The table of Token is in
``roaming.ocpi.forms.token``, since commands quote it."""
