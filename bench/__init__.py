"""Benchmarks beside their peers, both measured in turn in the same run: ``python -m bench``."""
