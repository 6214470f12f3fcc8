"""What the hub's own operator asks of stations (decision 0110): asked, recorded, answered. Knows no OCPI."""
