"""The scoreboard: detectors and their peers, judged by the messages people would have received."""
