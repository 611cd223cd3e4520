"""Pure functions over series: what a village, a donor and an engineer are told in figures.

No I/O, no clock. Every figure says how much of its time was measured (`covered_s`), and no figure
is stretched over time that was not. docs/statistics.md explains each to a reader.
"""
