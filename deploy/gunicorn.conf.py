"""How gunicorn serves Ballast, for `make run` and for a production host alike."""

import os
import signal
import sys
from pathlib import Path

from dotenv import load_dotenv

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from webapp.copies.moved import word_left_at  # noqa: E402
from webapp.environment import BadSetting  # noqa: E402
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


def background_of(worker):
    return worker.wsgi.extensions.get("background") if hasattr(worker, "wsgi") else None


def post_worker_init(worker):
    """Upon SIGTERM no job begins anything new, while requests in flight are still answered."""
    background = background_of(worker)
    if background is None:
        return
    leave = signal.getsignal(signal.SIGTERM)

    def close_and_leave(number, frame):
        background.shift.close()
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
