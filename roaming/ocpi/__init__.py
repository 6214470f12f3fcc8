"""The protocol, without any module's content."""
