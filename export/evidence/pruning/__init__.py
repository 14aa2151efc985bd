"""One network, pruned in several ways: its trainings, whichever table asks."""
