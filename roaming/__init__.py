"""The roaming service."""
