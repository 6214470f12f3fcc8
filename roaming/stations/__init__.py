"""Stations as the service knows them: who they are, who owns their connection, which EVSE their connectors are."""
