"""One process of `lab serve --split`: a service, a relay or the front, which ends when its supervisor is gone.

The supervisor holds the other end of standard input and never writes to it. However it ends, SIGKILL included, the
operating system closes that end, and this process stops as by SIGTERM.

Section:
    13.9, "One command, many processes"
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

GRACE_S: Final = 20.0
"""After its supervisor's end, a process that has not stopped by then is ended hard, in seconds."""


def end_with_supervisor() -> None:
    """Watch standard input from a thread of its own; at its end, ask this process to stop."""
    threading.Thread(target=_wait_for_the_end, name="supervisor-watch", daemon=True).start()


def _wait_for_the_end() -> None:
    with suppress(OSError):
        while os.read(0, 1024):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the supervisor says.

    Raises:
        SystemExit: It can't be run: one line on stderr, exit status 1.
    """
    parser = argparse.ArgumentParser(prog="python -m lab_support.services.supervised", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    one = kinds.add_parser("service")
    one.add_argument("name")
    one.add_argument("host")
    one.add_argument("port", type=int)
    one.add_argument("--no-relay", dest="relay", action="store_const", const=False)
    relay = kinds.add_parser("relay")
    relay.add_argument("name")
    front = kinds.add_parser("front")
    front.add_argument("host")
    front.add_argument("port", type=int)
    front.add_argument("addresses", nargs="+", metavar="SERVICE=URL")
    told = parser.parse_args(arguments)
    end_with_supervisor()  # before what takes long to load
    if told.kind == "service":
        from lab_support.services.serving import serve

        serve(told.host, told.port, None, only=(told.name,), relay=told.relay)
    elif told.kind == "relay":
        relay_alone(told.name)
    else:
        addresses = dict(text.split("=", 1) for text in told.addresses)
        serve_front(told.host, told.port, addresses)


def serve_front(host: str, port: int, addresses: Mapping[str, str]) -> None:
    """Serve the one address of all services until asked to stop.

    Raises:
        SystemExit: The port can't be used: one line on stderr, exit status 1.
    """
    from lab_support.services.forwarding import create_front
    from lab_support.services.listening import CannotListenError, base_url, listen
    from lab_support.services.serving import paths_of, serve_app

    app = create_front(addresses, {name: paths_of([name]) for name in addresses})
    try:
        with listen(host, port) as listener, suppress(KeyboardInterrupt):
            asyncio.run(serve_app(app, listener, f"The front answers at {base_url(listener, host)}."))
    except CannotListenError as error:
        raise SystemExit(f"lab serve: {error}") from error


def relay_alone(name: str) -> None:
    """Publish the outbox of a service until asked to stop.

    Raises:
        SystemExit: Data or bus can't be used: one line on stderr, exit status 1.
    """
    from lab_support.messaging import MessagingError
    from lab_support.services.relaying import relay_until_stopped
    from lab_support.services.serving import FOR_THE_USER
    from lab_support.services.split import split_service
    from lab_support.settings import Settings

    def tell(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    try:
        asyncio.run(relay_until_stopped(split_service(name), Settings(), tell))
    except (*FOR_THE_USER, MessagingError, ValueError) as error:
        raise SystemExit(f"lab relay: {' '.join(str(error).split())}") from error


if __name__ == "__main__":
    main()
