"""Servers started like by `make run`: gunicorn with the installation's configuration."""

import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from webapp.settings import ROOT

BALLAST, BARE = "wsgi:app", "benchmarks.bare:app"
START = 60.0
"""Seconds to wait for the first response."""


def environment(home: Path, **more: str) -> dict[str, str]:
    """Environment of a default installation. It overrides the .env file of this checkout."""
    return {
        "PATH": os.environ["PATH"],
        "BALLAST_HOME": str(home),
        "SECRET_KEY": _SECRET,
        "DATABASE_URL": "",
        "CARD_PROCESSOR": "sandbox",
        "PAYPAL_PROCESSOR": "sandbox",
        "AUTOMATIC_PAYMENTS": "on",
        "MAIL_SERVER": "",
        "PUBLIC_URL": "",
        "RUN_JOBS": "1",
        "DEMO": "0",
        "RATE_LIMITS": "0",
        **more,
    }


class Server:
    """A server that runs from its creation until `stop`."""

    def __init__(self, app: str, home: Path, **more: str) -> None:
        """`more` are settings by environment variable."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = home / f"{app.partition(':')[0]}.log"
        command = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", app]
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment(home, HOST="127.0.0.1", PORT=str(self.port), **more),
                stdout=log,
                stderr=log,
            )
        self._wait()

    def stop(self) -> None:
        """Stop the server. Raises if it has logged an error, which makes the figures invalid."""
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        log = self._log.read_text()
        if re.search(r"\bERROR\b|Traceback", log):
            raise RuntimeError(f"the server logged an error:\n{log[-4000:]}")

    @property
    def memory(self) -> int:
        """Memory of all its processes in bytes, shared pages counted once (PSS)."""
        return sum(_pss(pid) for pid in _family(self._process.pid))

    @property
    def processor_time(self) -> float:
        """Processor time of all its processes since their start, in seconds."""
        return sum(_processor_time(pid) for pid in _family(self._process.pid))

    def _wait(self) -> None:
        end = time.monotonic() + START
        while time.monotonic() < end and self._process.poll() is None:
            try:
                with urllib.request.urlopen(self.url, timeout=5):
                    return
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.05)
        self._process.kill()
        raise RuntimeError(f"the server did not start:\n{self._log.read_text()[-4000:]}")


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    return [pid, *(one for child in children for one in _family(int(child)))]


def _pss(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _processor_time(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    user, system = fields[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


_SECRET = secrets.token_hex()
