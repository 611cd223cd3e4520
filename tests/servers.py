"""Real servers for tests: each on free loopback ports, in a folder of its own, gone afterwards.

Every function here is a context manager that yields a running `Server`, ready to be spoken to.
`Server.kill` is ``kill -9``, `Server.start` brings the same one back on the same port and data,
`Server.freeze` and `Server.thaw` are SIGSTOP and SIGCONT.
"""

from __future__ import annotations

import atexit
import getpass
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_HOST = "127.0.0.1"
_READY_S = 30.0
_STOP_S = 10.0
# Debian keeps these away from a plain user's PATH.
_ELSEWHERE = ("/usr/sbin", "/usr/local/sbin")

_PREFIX = "kahriz-test-"
# Its input ends when the tests do, however that happens; then server and folder go too.
_GUARD = 'read _; kill -s KILL -- "-$0"; case "$1" in */' + _PREFIX + '*) rm -rf -- "$1";; esac'


class ProgramMissingError(Exception):
    """A server's program is not installed; the text says how Debian installs it."""


def program(name: str, package: str) -> Path:
    """Return where the program `name` is, or say which Debian package brings it."""
    postgres = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = os.pathsep.join([*map(str, postgres), os.environ.get("PATH", ""), *_ELSEWHERE])
    found = shutil.which(name, path=path)
    if found is None:
        raise ProgramMissingError(f"{name} is not installed: apt-get install {package}")
    return Path(found)


# Below those that the kernel gives to whoever connects or asks for any port: between the answer of
# `free_port` and the server's start, and while a server is away, nobody else comes by this number.
PORTS = range(20_000, 32_000)
_BLOCK = 100


def _ports() -> Iterator[int]:
    """Walk over blocks of ports; who holds a block's first one has the others to itself."""
    blocks = list(PORTS[::_BLOCK])
    random.Random(os.urandom(8)).shuffle(blocks)
    held: set[int] = set()
    while True:
        for block in blocks:
            if block in held or _hold(block):
                held.add(block)
                yield from range(block + 1, block + _BLOCK)


def _hold(port: int) -> bool:
    holder = socket.socket()
    try:
        holder.bind((_HOST, port))
    except OSError:
        holder.close()
        return False
    atexit.register(holder.close)
    return True


_walk = _ports()


def free_port() -> int:
    """Return a loopback TCP port nobody listens on, and no other call or test process is given."""
    for port in _walk:
        with socket.socket() as listener, suppress(OSError):
            listener.bind((_HOST, port))
            return port
    raise AssertionError("the walk does not end")


@dataclass
class Server:
    """One server process, its own process group, which can be stopped, killed and brought back."""

    name: str
    command: Sequence[str]
    folder: Path
    port: int
    is_ready: Callable[[], bool]
    stop_signal: signal.Signals = signal.SIGTERM
    user: int | None = None
    host: str = _HOST
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _guard: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def pid(self) -> int:
        """The process's id, for SIGSTOP and the like."""
        assert self._process is not None, f"{self.name} is not running"
        return self._process.pid

    @property
    def log(self) -> str:
        """All it has printed so far."""
        return (self.folder / "log.txt").read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start the process and return once it answers."""
        assert self._process is None, f"{self.name} runs already"
        with (self.folder / "log.txt").open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self.user,
            )
        self._guard = subprocess.Popen(
            ["sh", "-c", _GUARD, str(self._process.pid), str(self.folder)],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self._await_ready(self._process)
        except BaseException:
            self.kill()
            raise

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _READY_S
        while not self.is_ready():
            # Waiting for its death is the pause between two tries: a server that cannot start
            # is reported at once.
            with suppress(subprocess.TimeoutExpired):
                code = process.wait(0.02)
                raise RuntimeError(f"{self.name} ended with {code}:\n{self.log[-2000:]}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} not ready in {_READY_S} s:\n{self.log[-2000:]}")

    def freeze(self) -> None:
        """Stop it in its tracks (SIGSTOP), connections open; return once every thread stands."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """Ask it to end and wait; what does not end is killed."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGCONT)
            os.kill(self._process.pid, self.stop_signal)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_S)
        self.kill()

    def kill(self) -> None:
        """End its whole process group with SIGKILL."""
        if self._process is None:
            return
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
            self._guard = None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None


@contextmanager
def _running(server: Server) -> Iterator[Server]:
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextmanager
def _own_folder(owner: int | None = None) -> Iterator[Path]:
    # Not under pytest's own folder: that one is closed to other users (PostgreSQL's).
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        if owner is not None:
            os.chown(folder, owner, -1)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def certificate(crt: Path, key: Path) -> None:
    """Make a certificate for localhost that is its own authority."""
    make = [str(program("openssl", "openssl")), "req", "-x509", "-newkey", "rsa:2048", "-nodes"]
    make += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*make, "-keyout", key, "-out", crt], check=True, capture_output=True)


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection((_HOST, port), timeout=1):
            return True
    except OSError:
        return False


@contextmanager
def mosquitto(
    config: str = "allow_anonymous true\n",
    *,
    files: Mapping[str, str] | None = None,
    persistence: bool = False,
    port: int | None = None,
) -> Iterator[Server]:
    """Run mosquitto.

    Parameters
    ----------
    config
        Lines of mosquitto.conf; ``{port}`` and ``{folder}`` are filled in. Where they name no
        ``listener``, one on the loopback interface is put in front.
    files
        Name and text of what `config` refers to as ``{folder}/NAME``: ACL, password file.
    persistence
        Keep sessions and retained messages over a restart, in the server's folder.
    """
    path = program("mosquitto", "mosquitto")
    port = port or free_port()
    with _own_folder() as folder:
        for name, text in (files or {}).items():
            (folder / name).write_text(text, encoding="utf-8")
            (folder / name).chmod(0o600)
        lines = [f"user {getpass.getuser()}", "log_type all"]
        lines += [f"persistence {str(persistence).lower()}", f"persistence_location {folder}/"]
        if not any(line.split()[:1] == ["listener"] for line in config.splitlines()):
            lines.append(f"listener {{port}} {_HOST}")
        text = "\n".join([*lines, config]).replace("{port}", str(port))
        conf = folder / "mosquitto.conf"
        conf.write_text(text.replace("{folder}", str(folder)), encoding="utf-8")
        command = [str(path), "-c", str(conf)]
        with _running(Server("mosquitto", command, folder, port, lambda: _accepts(port))) as server:
            yield server


_INFLUXD_CONF = """\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
[monitor]
  store-enabled = false
[subscriber]
  enabled = false
[continuous_queries]
  enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  auth-enabled = {auth}
  log-enabled = false
  {http}
"""


@contextmanager
def influxd(*, auth: bool = False, http: str = "", port: int | None = None) -> Iterator[Server]:
    """Run InfluxDB 1.x; with `auth`, the first user is to be made by ``CREATE USER``.

    `http` is put into the configuration's section of that name.
    """
    path = program("influxd", "influxdb")
    port = port or free_port()
    with _own_folder() as folder:
        conf = folder / "influxdb.conf"
        text = _INFLUXD_CONF.format(
            rpc=free_port(), port=port, folder=folder, auth=str(auth).lower(), http=http
        )
        conf.write_text(text, encoding="utf-8")
        command = [str(path), "run", "-config", str(conf)]
        with _running(Server("influxd", command, folder, port, lambda: _pings(port))) as server:
            yield server


def _pings(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{_HOST}:{port}/ping", timeout=2) as answer:
            return bool(answer.status == 204)
    except (OSError, urllib.error.URLError):
        return False


@contextmanager
def alertmanager(config: str) -> Iterator[Server]:
    """Run Prometheus Alertmanager alone, no cluster; `config` is its YAML."""
    path = program("prometheus-alertmanager", "prometheus-alertmanager")
    port = free_port()
    with _own_folder() as folder:
        (folder / "alertmanager.yml").write_text(config, encoding="utf-8")
        command = [str(path), "--config.file=alertmanager.yml", f"--storage.path={folder}/data"]
        command += [f"--web.listen-address={_HOST}:{port}", "--cluster.listen-address="]
        server = Server("alertmanager", command, folder, port, lambda: _is_healthy(port))
        with _running(server):
            yield server


def _is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{_HOST}:{port}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


_PG_USER = "kahriz"
_PG_PACKAGE = "postgresql"


@contextmanager
def postgres() -> Iterator[Server]:
    """Run PostgreSQL, trusting the loopback; user ``kahriz``; see `postgres_database`."""
    path = program("postgres", _PG_PACKAGE)
    # It refuses to run as root.
    owner = pwd.getpwnam("postgres").pw_uid if os.geteuid() == 0 else None
    port = free_port()
    with _own_folder(owner) as folder:
        data = str(folder / "data")
        command = [str(path), "-D", data, "-h", _HOST, "-p", str(port), "-k", str(folder)]
        made = ["-D", data, "-U", _PG_USER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        initdb = [str(program("initdb", _PG_PACKAGE)), *made]
        subprocess.run(initdb, check=True, cwd=folder, user=owner, stdout=subprocess.DEVNULL)
        asked = [str(program("pg_isready", _PG_PACKAGE)), "-q", "-h", _HOST, "-p", str(port)]

        def is_ready() -> bool:
            return subprocess.run(asked, check=False).returncode == 0

        server = Server("postgres", command, folder, port, is_ready, signal.SIGINT, user=owner)
        with _running(server):
            yield server


def postgres_database(server: Server, name: str) -> str:
    """Make an empty database of that name and return its SQLAlchemy URL."""
    createdb = str(program("createdb", _PG_PACKAGE))
    address = ["-h", server.host, "-p", str(server.port), "-U", _PG_USER]
    subprocess.run([createdb, *address, name], check=True)
    return f"postgresql+psycopg://{_PG_USER}@{server.host}:{server.port}/{name}"


_SMSDRC = """\
[gammu]
device = {device}
connection = at
[smsd]
service = sql
{database}
logfile = {folder}/smsd.log
debuglevel = 1
checksecurity = 0
checkbattery = 0
checksignal = 0
checknetwork = 0
loopsleep = 1
commtimeout = 1
sendtimeout = 5
receivefrequency = 1
statusfrequency = 1
maxretries = 1
retrytimeout = 1
"""
_SMSD_TABLES = "/usr/share/doc/gammu-smsd/examples"


def smsd_tables(kind: str) -> str:
    """Return the statements that make gammu-smsd's tables, ``sqlite`` or ``pgsql``, as it ships."""
    program("gammu-smsd", "gammu-smsd libdbd-sqlite3")
    return (Path(_SMSD_TABLES) / f"{kind}.sql").read_text(encoding="utf-8")


@contextmanager
def gammu_smsd(device: str, database: str) -> Iterator[Server]:
    """Run gammu-smsd on the modem at `device`.

    `database` is the lines of its configuration that name its database, see `smsd_tables`.
    """
    path = program("gammu-smsd", "gammu-smsd libdbd-sqlite3")
    with _own_folder() as folder:
        conf = folder / "smsdrc"
        text = _SMSDRC.format(device=device, database=database, folder=folder)
        conf.write_text(text, encoding="utf-8")
        log = folder / "smsd.log"

        def is_ready() -> bool:
            return log.exists() and "Starting phone communication" in log.read_text("utf-8")

        command = [str(path), "-c", str(conf)]
        with _running(Server("gammu-smsd", command, folder, 0, is_ready)) as server:
            yield server


_KANNEL_CONF = """\
group = core
admin-port = {admin}
admin-password = admin
admin-interface = 127.0.0.1
smsbox-port = {boxes}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1

group = smsc
smsc = fake
smsc-id = fake
port = {smsc}
connect-allow-ip = 127.0.0.1

group = smsbox
bearerbox-host = 127.0.0.1
bearerbox-port = {boxes}
sendsms-port = {port}
sendsms-interface = 127.0.0.1

group = sendsms-user
username = kahriz
password = kannel-secret
concatenation = true
max-messages = 4

group = sms-service
keyword = default
catch-all = true
accept-x-kannel-headers = false
max-messages = 0
get-url = "{callback}/api/v1/gateways/http/inbound?secret={secret}&reference=%I&from=%p&text=%b"
"""
_KANNEL_PACKAGES = "kannel kannel-extras"
_FAKE_SMSC = Path("/usr/lib/kannel/test/fakesmsc")


@dataclass
class Kannel:
    """Kannel's bearerbox, its smsbox on `port`, and one end of its fake SMSC."""

    port: int
    smsc_port: int
    folder: Path

    @contextmanager
    def smsc(self, *texts: str) -> Iterator[Server]:
        """Connect a fake SMSC that lets `texts` come in, as ``FROM TO text WORDS``, once each.

        Its log says every message that goes out: ``Got message 1: <FROM TO text WORDS>``.
        """
        if not _FAKE_SMSC.exists():
            raise ProgramMissingError(f"fakesmsc: apt-get install {_KANNEL_PACKAGES}")
        command = [str(_FAKE_SMSC), "-H", _HOST, "-r", str(self.smsc_port), "-i", "0.1"]
        command += ["-m", str(len(texts)), *texts]
        log = self.folder / "log.txt"
        log.unlink(missing_ok=True)

        def is_ready() -> bool:
            return "Connecting" in log.read_text("utf-8", "replace")

        with _running(Server("fakesmsc", command, self.folder, 0, is_ready)) as server:
            yield server


@contextmanager
def kannel(callback: str, secret: str) -> Iterator[Kannel]:
    """Run Kannel; user ``kahriz``, password ``kannel-secret``; answers go to `callback`."""
    bearerbox, smsbox = (program(name, _KANNEL_PACKAGES) for name in ("bearerbox", "smsbox"))
    admin, boxes, smsc, port = (free_port() for _ in range(4))
    with _own_folder() as folder, _own_folder() as second, _own_folder() as third:
        text = _KANNEL_CONF.format(
            admin=admin, boxes=boxes, smsc=smsc, port=port, callback=callback, secret=secret
        )
        conf = folder / "kannel.conf"
        conf.write_text(text, encoding="utf-8")
        core = [str(bearerbox), str(conf)]
        box = [str(smsbox), str(conf)]
        with (
            _running(Server("bearerbox", core, folder, boxes, lambda: _accepts(admin))),
            _running(Server("smsbox", box, second, port, lambda: _accepts(port))),
        ):
            yield Kannel(port, smsc, third)
