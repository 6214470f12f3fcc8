"""Codecs of ClientInfo, a file per version that has it: 2.3.0 in full, 2.2.1 as the difference."""
