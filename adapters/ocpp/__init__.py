"""OCPP over WebSocket: stations end at us (CSMS)."""
