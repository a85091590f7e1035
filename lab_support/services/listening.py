"""The listening socket of a server, opened before anything else so that a taken port costs nothing."""

from __future__ import annotations

import errno
import socket
import sys

BACKLOG = 2048
_ADVICE = {
    errno.EADDRINUSE: "Something else listens there; stop it or choose another port with --port.",
    errno.EACCES: "Ports below 1024 are reserved; choose another with --port.",
    errno.EADDRNOTAVAIL: "This machine has no such address; 127.0.0.1 always works.",
}


class CannotListenError(Exception):
    """An address can't be listened on; the text says why and what to do."""

    def __init__(self, host: str, port: int, error: Exception) -> None:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        advice = _ADVICE.get(getattr(error, "errno", None) or 0, "Give another --host or --port.")
        super().__init__(f"cannot listen on {host}:{port}: {reason}. {advice}")
        self.host, self.port = host, port


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 lets the system choose one.

    Raises:
        CannotListenError: The address is taken, not allowed, unknown or not one of this machine.
    """
    try:
        if not 0 <= port <= 65535:
            raise OverflowError("a port is a number from 0 to 65535")
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            if sys.platform != "win32":  # there it would let two servers share one port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except BaseException:
            listener.close()
            raise
    except (OSError, OverflowError, UnicodeError) as error:
        raise CannotListenError(host, port, error) from error
    return listener


def base_url(listener: socket.socket, host: str) -> str:
    """Give the address at which a client finds the listener."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{listener.getsockname()[1]}"
