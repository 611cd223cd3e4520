"""What a deployment needs beside the code: the broker's files, and secrets nobody has to invent."""

from kahriz.deploy.broker import (
    ACL,
    CHIRPSTACK_USER,
    INGEST_USER,
    BrokerFiles,
    broker_config,
    password_line,
    write_broker_files,
)
from kahriz.deploy.credentials import Credentials, create_credentials

__all__ = [
    "ACL",
    "CHIRPSTACK_USER",
    "INGEST_USER",
    "BrokerFiles",
    "Credentials",
    "broker_config",
    "create_credentials",
    "password_line",
    "write_broker_files",
]
