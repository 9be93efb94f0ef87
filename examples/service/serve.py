"""Score events of many entities over HTTP, each exactly once, even after a kill and a restart.

Run it from the root of the repository: python examples/service/serve.py model.safetensors
"""

from __future__ import annotations

import argparse
import math
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import uvicorn
from app import make_app
from ledger import Ledger
from opening import StartError, open_ledger

from rnn_rust.errors import RnnRustError


def above_0(number: Callable[[str], float]) -> Callable[[str], float]:
    """Return a parser of finite numbers above 0, of the type that ``number`` returns."""

    def read(text: str) -> float:
        value = number(text)
        if not 0 < value < math.inf:
            raise argparse.ArgumentTypeError(f"it must be above 0, and finite, not {text}")
        return value

    read.__name__ = number.__name__
    return read


def options() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("model", type=Path, help="the model's file")
    add("--folder", type=Path, default=Path("snapshots"), help="where the snapshots are")
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--port", type=int, default=8000, help="port to listen on")
    add(
        "--snapshot-every",
        type=above_0(float),
        default=60.0,
        metavar="SECONDS",
        help="time between two",
    )
    add("--max-entities", type=int, help="how many entities are kept at most")
    add(
        "--expire-after",
        type=float,
        metavar="TIME",
        help="events' time after which one is given up",
    )
    add("--swap", action="store_true", help="keep the snapshot's states with another model")
    add("--max-events", type=above_0(int), default=1000, help="of a request")
    add("--max-bytes", type=above_0(int), default=2**20, help="of a request's body")
    return parser.parse_args()


def main() -> None:
    """Start the service; it ends with a snapshot on SIGTERM and Ctrl-C."""
    given = options()
    # uvicorn stops gracefully on a signal, and then raises the signal again.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    try:
        with open_ledger(
            given.model,
            given.folder,
            max_entities=given.max_entities,
            expire_after=given.expire_after,
            swap=given.swap,
        ) as ledger:
            serve(ledger, given)
    except (StartError, RnnRustError, OSError) as error:
        sys.exit(f"Error: {error}")


def serve(ledger: Ledger, given: argparse.Namespace) -> None:
    """Answer requests until a signal comes."""
    app = make_app(
        ledger,
        snapshot_every=given.snapshot_every,
        max_events=given.max_events,
        max_bytes=given.max_bytes,
    )
    try:
        uvicorn.run(
            app, host=given.host, port=given.port, access_log=False, timeout_graceful_shutdown=10
        )
    finally:
        if ledger.changed:
            sys.exit("Error: there are events that no snapshot has; send them again")


if __name__ == "__main__":
    main()
