"""What people look at: the page (``web/``, served by the API) and Grafana (``grafana/``)."""
