"""Ports: whether a program can listen there, asked before anything is started."""

import errno
import socket

import click

from engage.settings import Settings


def require_port(settings: Settings) -> None:
    """Stop where the API cannot listen on `ENGAGE_LISTEN`, and say what to do instead."""
    host, port = settings.host_port
    problem = _problem(host, port)
    if problem is None:
        return
    if problem.errno != errno.EADDRINUSE:
        raise click.ClickException(
            f"nobody can listen on {settings.listen} ({problem.strerror}); set ENGAGE_LISTEN to another address"
        )
    raise click.ClickException(
        f"{settings.listen} is taken by another program, perhaps another engage; stop that one, or take a free port: "
        f"ENGAGE_LISTEN={host}:{free_port(port + 1)}"
    )


def free_port(wanted: int) -> int:
    """Return `wanted` if nobody listens there, else some free port."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise click.ClickException("no free port on 127.0.0.1")


def _problem(host: str, port: int) -> OSError | None:
    """Return why nobody can listen there, or None. A name that cannot be found is left to who listens."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror:
        return None
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as exc:
            return exc
    return None
