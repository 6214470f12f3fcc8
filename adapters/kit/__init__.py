"""What every adapter is given: a durable way out, commands, authorisation, accounts, a life cycle."""
