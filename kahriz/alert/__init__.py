"""Detections to alerts, and who is told why.

``lifecycle`` (pure) moves alerts through ``pending -> firing -> resolved``; ``reason`` (pure) says
who is told of what; ``pipeline`` writes both into the book in one transaction a kahriz.
"""
