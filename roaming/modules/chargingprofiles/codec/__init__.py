"""Codecs of charging profiles and their answers, a file per version that has them. Both versions say the same."""
