"""The shop in many processes from one command: what `lab serve --split` calls.

Section:
    13.9, "One command, many processes"
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from lab_support.services.app import EVERY_SERVICE
from lab_support.services.listening import base_url, listen
from lab_support.services.relational import data_folder
from lab_support.services.serving import FOR_THE_USER, kept, paths_of
from lab_support.services.split import GATEWAY, NAMES, UnknownServiceError
from lab_support.services.stopping import signals_ask
from lab_support.services.supervising import Job, NotStartedError, Supervisor, Tell
from lab_support.settings import Settings

FRONT: Final = "front"
_ADDRESSED: Final = ("orders", "customers", "payments", "inventory", "catalog")
"""Those that the gateway asks over HTTP."""


def serve_split(
    host: str,
    port: int,
    data: Path | None,
    tell: Tell,
    *,
    only: Collection[str] = EVERY_SERVICE,
    relay: bool | None = None,
    announce: Callable[[str], object] = lambda line: print(line, flush=True),  # noqa: T201 - the answer itself
) -> None:
    """Serve the shop, each service and each relay in a process of its own, until Ctrl-C or SIGTERM.

    Services get a port each, which the system chooses, and keep it when they are started again. All are found at one
    address too: the front hands each request to the service that has its path.

    Args:
        host: Name or address to listen on.
        port: The front's port; 0 lets the system choose one.
        data: Folder that all share; None means LAB_DATA, or else a temporary folder.
        tell: Gets each line of a process, and what becomes of it.
        only: The services to serve.
        relay: Whether relays are run; None means LAB_RELAY, or else that they are.
        announce: Gets the one line that says where the shop answers, once it does.

    Raises:
        SystemExit: A setting or the port can't be used, or a process does not start: one line, exit status 1.

    Section:
        13.9, "One command, many processes"
    """
    try:
        given = {"data": data, "relay": relay}
        settings = Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
        for name in only:
            if name not in EVERY_SERVICE:
                raise UnknownServiceError(name, EVERY_SERVICE)
        with _ports(host, port, only) as ports, data_folder(settings) as folder:
            asyncio.run(_run(host, ports, settings, folder, tell, announce))
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise SystemExit(f"lab serve: LAB_{name} is not usable: {first['msg']}.") from error
    except NotStartedError as error:
        raise SystemExit(f"lab serve: {error}; its own lines say why.") from error
    except FOR_THE_USER as error:
        raise SystemExit(f"lab serve: {error}") from error


def plan(
    host: str, ports: Mapping[str, int], settings: Settings, folder: Path
) -> tuple[Sequence[Job], Sequence[Job], Job]:
    """Say which processes a shop consists of: services, then relays, then the front.

    The catalogue's relay lives in its own process: its documents may be in a server that lives there too.

    Args:
        host: Where all listen.
        ports: One for each service, and one for the front.
        settings: Whether there are relays.
        folder: What all share.
    """
    services = [name for name in ports if name != FRONT]
    name_in_url = f"[{host}]" if ":" in host else host
    addresses = {name: f"http://{name_in_url}:{ports[name]}" for name in services}
    shared = {"LAB_DATA": str(folder), "LAB_RELAY": str(settings.relay).lower()}
    at = {f"LAB_{name.upper()}_AT": addresses[name] for name in services if name in _ADDRESSED}
    apart = [name for name in services if name in NAMES]
    first = [
        _job(
            name,
            "service",
            name,
            host,
            str(ports[name]),
            *(["--no-relay"] if name in apart else []),
            settings=shared | (at if name == GATEWAY.name else {}),
        )
        for name in services
    ]
    relays = (
        [_job(f"{name}-relay", "relay", name, settings=shared) for name in apart] if settings.relay else []
    )
    told = [f"{name}={address}" for name, address in addresses.items()]
    return first, relays, _job(FRONT, FRONT, host, str(ports[FRONT]), *told, settings=shared)


def _job(name: str, *arguments: str, settings: dict[str, str]) -> Job:
    return Job(name, (sys.executable, "-m", "lab_support.services.supervised", *arguments), settings)


async def _run(
    host: str,
    ports: Mapping[str, int],
    settings: Settings,
    folder: Path,
    tell: Tell,
    announce: Callable[[str], object],
) -> None:
    services, relays, front = plan(host, ports, settings, folder)
    supervisor, stop = Supervisor(tell), asyncio.Event()

    def ask() -> None:
        if stop.is_set():
            supervisor.kill()  # asked twice
        stop.set()

    with signals_ask(ask):
        starting = asyncio.create_task(_start(supervisor, [services, relays, [front]], tell))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                names = [job.name for job in services]
                count = f"{len(services)} services, {len(relays)} relays"
                told = f"{', '.join(paths_of(names))}; {count}; {kept(settings, names)}"
                announce(f"The shop answers at {_url(host, ports[FRONT])} ({told}). Ctrl-C stops it.")
                await stopping
        finally:
            starting.cancel()
            stopping.cancel()
            await asyncio.gather(starting, stopping, return_exceptions=True)
            await supervisor.stop()


async def _start(supervisor: Supervisor, stages: Sequence[Sequence[Job]], tell: Tell) -> None:
    for stage in stages:
        for child in await supervisor.start(stage):
            tell(child.job.name, child.greeting.removesuffix(" Ctrl-C stops it."))


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


@contextmanager
def _ports(host: str, port: int, services: Collection[str]) -> Iterator[Mapping[str, int]]:
    """Choose a port for the front and for each service, and keep others from getting it while a service restarts.

    On Linux a socket that is bound and does not listen keeps the system from giving the port away, and lets a child
    listen there. Elsewhere the port is only known to be free now.

    Raises:
        CannotListenError: The address or the port can't be used.
    """
    with ExitStack() as kept_open:
        chosen = {}
        for name in (FRONT, *(one for one in EVERY_SERVICE if one in services)):
            with listen(host, port if name == FRONT else 0) as free:
                chosen[name] = int(base_url(free, host).rpartition(":")[2])
                family, address = free.family, free.getsockname()
            if sys.platform == "linux":
                held = kept_open.enter_context(socket.socket(family, socket.SOCK_STREAM))
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                held.bind(address)
        yield chosen
