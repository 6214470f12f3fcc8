"""What makes it a hub: knows modules only through their declarations."""
