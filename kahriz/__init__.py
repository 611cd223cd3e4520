"""The domain of kahriz water telemetry: what every process agrees on. See docs/architecture.md."""
