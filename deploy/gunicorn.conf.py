"""How gunicorn serves Ballast, for `make run` and for a production host alike."""

import os
import sys
from pathlib import Path

from dotenv import load_dotenv

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from webapp.settings import BadSetting, Settings  # noqa: E402

load_dotenv(ROOT / ".env")
try:
    settings = Settings.from_environment(os.environ)
except BadSetting as error:
    sys.exit(str(error))

chdir = str(ROOT)
bind = settings.address
# Each worker would start the jobs again; threads serve one host as well.
workers = 1
threads = 16
# Ballast has no use for gunicorn's control socket, which would open in $HOME.
control_socket_disable = True


def worker_exit(server, worker):
    """Finish what is under way before the process goes."""
    stop = worker.wsgi.extensions.get("stop_jobs") if hasattr(worker, "wsgi") else None
    if stop:
        stop()


def when_ready(server):
    """Tell the person at the terminal where to go, once it is true."""
    print(f"\n  Ballast serves http://{bind}", flush=True)  # noqa: T201
    if settings.demo:
        print("  Demo sign-in: owner@demo.test / keep-it-afloat\n", flush=True)  # noqa: T201
