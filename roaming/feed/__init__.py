"""What happens, told to those who watch: one numbered list of events, which programs follow and subscribers get."""
