"""How stations are and how they have been: told as events, kept for those who look."""
