"""Benchmarks for asv; each file can be read on its own."""
