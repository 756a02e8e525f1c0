"""How gunicorn serves Ballast, for `make run` and for a production host alike."""

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
# Each worker would start the jobs again; threads serve one host as well.
workers = 1
threads = 16
# They get whole requests; the loop that collects them has a deadline for each.
worker_class = "deploy.whole_requests.WholeRequestWorker"
# Longer than reverse proxies and clients' pools keep an idle connection, so that it is they who
# close it, and not Ballast while a request is on its way.
keepalive = 75
# For requests in flight and charges under way, each of which waits for a processor at most 30 s.
graceful_timeout = 40
# Whom to believe that a request came by TLS is said by TRUSTED_PROXIES alone.
secure_scheme_headers = {}
# Ballast has no use for gunicorn's control socket, which would open in $HOME.
control_socket_disable = True


def on_starting(server):
    """Gunicorn would try an address that cannot be had five times, and say it in eleven lines."""
    if "GUNICORN_PID" in os.environ or "LISTEN_PID" in os.environ:
        return  # the sockets are handed over
    for address in server.cfg.address:
        if isinstance(address, tuple) and (why := why_not_listen(*address[:2])):
            sys.exit(why)


def why_not_listen(host, port):
    """Empty where it can be listened at."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except socket.gaierror:
        return f"HOST: '{host}' is not known; use an address of this machine, such as 127.0.0.1"
    except OSError as error:
        if error.errno == EADDRINUSE:
            return (
                f"PORT: {port} is in use on {host}, perhaps by another Ballast; stop that program, "
                f"or set another one: PORT={port + 1} make run"
            )
        if error.errno == EADDRNOTAVAIL:
            return f"HOST: {host} is no address of this machine; use one, such as 127.0.0.1"
        return f"PORT: cannot listen at {host}:{port} ({error.strerror}); set another one"
    return ""


def background_of(worker):
    return worker.wsgi.extensions.get("background") if hasattr(worker, "wsgi") else None


def post_worker_init(worker):
    """Upon SIGTERM no job begins anything new, while requests in flight are still answered."""
    background = background_of(worker)
    if background is None:
        return
    leave = signal.getsignal(signal.SIGTERM)

    def close_and_leave(number, frame):
        background.supervisor.close()
        leave(number, frame)

    signal.signal(signal.SIGTERM, close_and_leave)


def worker_exit(server, worker):
    """Finish what is under way, and be gone before the master loses patience."""
    background = background_of(worker)
    if background is None:
        return
    left = background.stop(within=worker.cfg.graceful_timeout - 1)
    if left:
        worker.log.warning("Left for the next start to carry on: %s", ", ".join(left))


def when_ready(server):
    """Tell the person at the terminal where to go, once it is true."""
    print(f"\n  Ballast serves http://{bind}", flush=True)  # noqa: T201
    if settings.demo:
        print("  Demo sign-in: owner@demo.test / keep-it-afloat\n", flush=True)  # noqa: T201
