"""Pretend devices at pretend kahrizes: they speak MQTT as real ones do, and know the truth."""
