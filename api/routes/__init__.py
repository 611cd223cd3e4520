"""One file a resource; each has a ``router``, put together in ``api/app.py``."""

PREFIX = "/api/v1"
"""Where the resources are; a change that breaks callers gets another one."""
