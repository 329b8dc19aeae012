"""Start the explorer as the README does and see that it answers; .ci/run calls this."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 90.0  # seconds


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> int:
    port = free_port()
    settings = {"STREAMLIT_SERVER_PORT": str(port), "STREAMLIT_SERVER_HEADLESS": "true"}
    server = subprocess.Popen(
        ["streamlit", "run", "app.py"], cwd=ROOT, env={**os.environ, **settings}
    )
    try:
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE and server.poll() is None:
            try:
                for path, sign in (("/_stcore/health", "ok"), ("/", "<title>")):
                    with urllib.request.urlopen(
                        f"http://127.0.0.1:{port}{path}", timeout=10
                    ) as answer:
                        if sign not in answer.read().decode():
                            print(f"check_start: {path} answered without {sign!r}", file=sys.stderr)
                            return 1
            except OSError:  # not listening yet, or too slow to answer
                time.sleep(0.2)
                continue
            print(f"the explorer answers {time.monotonic() - began:.1f} s after its start")
            return 0
        print("check_start: `streamlit run app.py` does not answer", file=sys.stderr)
        return 1
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()


if __name__ == "__main__":
    sys.exit(main())
