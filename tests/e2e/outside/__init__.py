"""Programs that are not ours, as the end-to-end tests drive them."""
