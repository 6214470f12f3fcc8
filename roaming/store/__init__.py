"""Where everything durable lies: SQLite or PostgreSQL, and nothing above this floor knows which."""
