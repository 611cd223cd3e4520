"""Process 2: the HTTP API under ``/api/v1``, and the page at ``/``. See docs/http-api.md."""
