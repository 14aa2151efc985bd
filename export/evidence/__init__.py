"""Evidence: measured claims, each printed by one command and kept as JSON."""
