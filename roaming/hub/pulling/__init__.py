"""Fetching partners' lists: when, page by page, and what is made of them. Sends nothing but GET requests."""
