"""Pytest plugins: the shared stack, installations on it, and the seed of a run."""
