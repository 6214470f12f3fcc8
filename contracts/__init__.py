"""What adapters and the roaming service agree on. Imports nothing of ours."""
