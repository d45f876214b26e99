"""No page and no test reaches beyond this machine: an attempt is an error, and is written down.

Python tells an audit hook of every connection, datagram and look-up of a name before it happens.
The hook raises, and adds a line to the file that ``OFFLINE_ATTEMPTS`` names, because code may catch
the error and go on; who started the code then fails it. Python processes that a guarded one starts
are guarded through ``sitecustomize.py`` beside this file, which Python runs when the folder is on
``PYTHONPATH``.
"""

import ipaddress
import os
import sys
from pathlib import Path

FOLDER = str(Path(__file__).parent)
ATTEMPTS = "OFFLINE_ATTEMPTS"
TO_ADDRESS = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getnameinfo")
TO_HOST = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")


class OfflineError(RuntimeError):
    """An attempt to reach another machine; no OSError, so that nobody waits and tries again."""


def is_local(host) -> bool:
    """Whether a host, by name or address, is this machine.

    Example:
        >>> is_local("127.0.0.1"), is_local("::1"), is_local("localhost"), is_local("0.0.0.0")
        (True, True, True, True)
        >>> is_local("192.0.2.1"), is_local("example.org")
        (False, False)
    """
    if isinstance(host, bytes | bytearray):
        host = host.decode(errors="replace")
    if not isinstance(host, str) or host in ("", "localhost"):
        return True  # the kernel has numbers for addresses, and any address is none
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified  # 0.0.0.0: whoever listens here


def _hook(event: str, args: tuple) -> None:
    if event in TO_ADDRESS:
        host = args[-1][0] if isinstance(args[-1], tuple) else None  # a Unix socket has a path
    elif event in TO_HOST:
        host = args[0]
    else:
        return
    if is_local(host):
        return
    attempt = f"{event.removeprefix('socket.')} {host}"
    if os.environ.get(ATTEMPTS):
        with open(os.environ[ATTEMPTS], "a", encoding="utf-8") as file:
            file.write(attempt + "\n")
    raise OfflineError(f"pages and tests stay on this machine; this one tried: {attempt}")


def guard() -> None:
    """Guard this process from now on, and those that it starts."""
    sys.addaudithook(_hook)
    guard_children()


def guard_children() -> None:
    """Guard the processes that this one starts."""
    path = [FOLDER, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(filter(None, path)))
