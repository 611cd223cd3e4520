"""Process 1: MQTT in, durable observations, rollups, detections, alerts and messages out."""
