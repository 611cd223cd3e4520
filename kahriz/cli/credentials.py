"""`kahriz credentials`: the secrets of a deployment."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from kahriz.deploy.credentials import (
    DEVICE_SECRETS,
    Credentials,
    create_credentials,
    write_compose_env,
)
from kahriz.deploy.influx import InfluxAdmin
from kahriz.errors import ConfigError, StoreUnavailable
from kahriz.sites import load_registry

_BETWEEN_TRIES_S = 2.0


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Make and change the secrets of a deployment.", no_args_is_help=True)
    group.command("create")(create)
    group.command("influx")(influx)
    app.add_typer(group, name="credentials")


def create(
    sites: Annotated[Path, typer.Option(help="The registry that names the devices.")] = Path(
        "sites.toml"
    ),
    out: Annotated[Path, typer.Option(help="Folder for the secrets.")] = Path("deploy/secrets"),
    rotate: Annotated[
        list[str] | None, typer.Option(help="Replace this device's secret; may be repeated.")
    ] = None,
    env: Annotated[Path, typer.Option(help="docker-compose's settings, made if absent.")] = Path(
        ".env"
    ),
) -> None:
    """Give every device and service that has none a secret; those that have one keep it.

    Example: kahriz credentials create --sites sites.toml --rotate agh-dere-outlet
    """
    done = create_credentials(out, list(load_registry(sites).devices), rotate or ())
    wrote_env = write_compose_env(env, _for_compose(sites), _for_compose(out))
    for line in _summary(done):
        typer.echo(line)
    if wrote_env:
        typer.echo(f"{env}: written for docker-compose")


def _for_compose(path: Path) -> Path:
    # Compose takes "sites.toml" for a volume's name, "./sites.toml" for a file.
    return path if path.is_absolute() else Path.cwd() / path


def _summary(done: Credentials) -> list[str]:
    lines = [
        f"{done.folder}: {len(done.created)} devices got a secret, {len(done.kept)} kept theirs"
    ]
    if done.created:
        where = done.folder / DEVICE_SECRETS
        lines.append(f"{where}: put each into its device, then delete this file")
    lines += [f"{device}: no longer in the registry, its access is gone" for device in done.removed]
    lines += [f"{done.folder / name}: made" for name in done.new_files]
    if done.created or done.removed:
        lines.append("a running broker takes this over on SIGHUP (docs/operations.md)")
    return lines


def influx(
    url: Annotated[str, typer.Option(help="Where InfluxDB 2 answers.")],
    admin_token_file: Annotated[Path, typer.Option(help="File with the token of its set-up.")],
    ingest_out: Annotated[Path, typer.Option(help="File for the token that reads and writes.")],
    api_out: Annotated[Path, typer.Option(help="File for the token that only reads.")],
    org: Annotated[str, typer.Option(help="Organisation.")] = "kahriz",
    bucket: Annotated[str, typer.Option(help="Bucket.")] = "kahriz",
    wait_s: Annotated[float, typer.Option(help="How long to wait for the server.")] = 60.0,
) -> None:
    """Have one InfluxDB token for ingest and another, read-only, for the API.

    Example: kahriz credentials influx --url http://influxdb:8086 --admin-token-file admin
    --ingest-out ingest/token --api-out api/token
    """
    try:
        token = admin_token_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(str(admin_token_file), error.strerror or str(error)) from error
    admin = InfluxAdmin(url, token, org, bucket)
    deadline = time.monotonic() + wait_s
    for path, name, actions in (
        (ingest_out, "kahriz ingest", ("read", "write")),
        (api_out, "kahriz api", ("read",)),
    ):
        made = _patiently(admin, path, name, actions, deadline)
        typer.echo(f"{path}: {'made' if made else 'kept'} ({' and '.join(actions)} {bucket})")


def _patiently(
    admin: InfluxAdmin, path: Path, name: str, actions: tuple[str, ...], deadline: float
) -> bool:
    while True:
        try:
            return admin.ensure_token(path, name, actions)
        except StoreUnavailable:
            if time.monotonic() > deadline:
                raise
        time.sleep(_BETWEEN_TRIES_S)
