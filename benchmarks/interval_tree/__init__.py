"""Benchmarks of the interval tree and of its peers, over the same data."""
