"""The gunicorn configuration, for `make run` and for production."""

import gc
import os
import signal
import socket
import sys
from errno import EADDRINUSE, EADDRNOTAVAIL
from pathlib import Path

from dotenv import load_dotenv

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from webapp.backup.moved_marker import word_left_at  # noqa: E402
from webapp.env import BadSetting  # noqa: E402
from webapp.settings import Settings  # noqa: E402

load_dotenv(ROOT / ".env")
try:
    settings = Settings.from_environment(os.environ)
except BadSetting as error:
    sys.exit(str(error))
if word := word_left_at(settings.database_url):
    sys.exit(f"DATABASE_URL: {word}")

chdir = str(ROOT)
bind = settings.address
# Each worker process would start the jobs again; threads are sufficient for one host.
workers = 1
threads = 16
# Threads receive complete requests; the poll loop reads them, with a deadline for each.
worker_class = "deploy.whole_requests.WholeRequestWorker"
# Longer than the idle timeout of reverse proxies and client pools, so that they close an idle
# connection first; Ballast could close it while a request is on its way.
keepalive = 75
# For running requests and charges, which wait for a processor at most 30 s.
graceful_timeout = 40
# Only TRUSTED_PROXIES decides which proxies' headers are trusted.
secure_scheme_headers = {}
# gunicorn's control socket is not used, and would be created in $HOME.
control_socket_disable = True


def on_starting(server):
    """Exit with one line if the address is unusable; gunicorn would retry five times."""
    if "GUNICORN_PID" in os.environ or "LISTEN_PID" in os.environ:
        return  # the sockets are inherited
    for address in server.cfg.address:
        if isinstance(address, tuple) and (why := why_not_listen(*address[:2])):
            sys.exit(why)


def why_not_listen(host, port):
    """Return why the address cannot be listened on; empty if it can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except socket.gaierror:
        return f"HOST: '{host}' is unknown; use an address of this machine, such as 127.0.0.1"
    except OSError as error:
        if error.errno == EADDRINUSE:
            return (
                f"PORT: {port} is in use on {host}, perhaps by another Ballast; stop that program, "
                f"or set another one: PORT={port + 1} make run"
            )
        if error.errno == EADDRNOTAVAIL:
            return f"HOST: {host} is not an address of this machine; use 127.0.0.1, for example"
        return f"PORT: cannot listen on {host}:{port} ({error.strerror}); set another one"
    return ""


def background_of(worker):
    return worker.wsgi.extensions.get("background") if hasattr(worker, "wsgi") else None


def post_worker_init(worker):
    """Exempt what was loaded from garbage collection: a search through it takes a tenth of a
    second, in which no request is answered.

    On SIGTERM, stop starting background work; running requests are still answered.
    """
    gc.collect()
    gc.freeze()
    background = background_of(worker)
    if background is None:
        return
    stop = signal.getsignal(signal.SIGTERM)

    def close_and_stop(number, frame):
        background.supervisor.close()
        stop(number, frame)

    signal.signal(signal.SIGTERM, close_and_stop)


def worker_exit(server, worker):
    """Finish running background work before the master's graceful timeout."""
    background = background_of(worker)
    if background is None:
        return
    left = background.stop(within=worker.cfg.graceful_timeout - 1)
    if left:
        worker.log.warning("Left for the next start to carry on: %s", ", ".join(left))


def when_ready(server):
    """Print the server's URL once it accepts connections."""
    print(f"\n  Ballast is running at http://{bind}", flush=True)  # noqa: T201
    if settings.demo:
        print("  Demo sign-in: owner@demo.test / keep-it-afloat\n", flush=True)  # noqa: T201
