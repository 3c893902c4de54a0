"""Benchmarks of the explorer."""
