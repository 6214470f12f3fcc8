"""In front of an operator's own central system: every frame passes unchanged, a copy of it feeds the hub."""
