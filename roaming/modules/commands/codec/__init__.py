"""Codecs of commands and their answers, a file per version: ``CODECS`` by command, and the two answers apart."""
