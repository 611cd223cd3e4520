"""A station: one outlet with its shaft and its line, judged as its readings come."""
