"""The guard that keeps pages and tests on this machine; a page is tried in test_build.py."""

import doctest
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import offline
import pytest

REACH = {
    "connect": "with socket.socket() as s: s.connect(('192.0.2.1', 80))",
    "sendto": "with socket.socket(type=socket.SOCK_DGRAM) as s: s.sendto(b'', ('192.0.2.1', 80))",
    "getaddrinfo": "socket.getaddrinfo('example.invalid', 80)",
    "gethostbyname": "socket.gethostbyname('example.invalid')",
}


@pytest.mark.parametrize("how", REACH)
def test_an_attempt_is_an_error_and_is_written_down(how, attempts):
    with pytest.raises(offline.OfflineError, match=how):
        exec(REACH[how])
    assert attempts.read_text(encoding="utf-8").startswith(how)
    attempts.unlink()  # or this test fails


@pytest.mark.parametrize("how", REACH)
def test_so_it_is_in_a_process_that_a_test_starts(how, attempts):
    command = [sys.executable, "-c", f"import socket\n{REACH[how]}"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1 and "OfflineError" in result.stderr
    assert attempts.read_text(encoding="utf-8").startswith(how)
    attempts.unlink()


def test_this_machine_can_be_reached(tmp_path):
    assert doctest.testmod(offline) == (0, 2)
    for family, address in [
        (socket.AF_INET, ("localhost", 0)),
        (socket.AF_UNIX, str(tmp_path / "a")),
    ]:
        with socket.socket(family) as server, socket.socket(family) as client:
            server.bind(address)
            server.listen()
            client.connect(server.getsockname())
    assert socket.getaddrinfo("127.0.0.1", 80) and socket.getaddrinfo(None, 80)


@pytest.mark.slow
def test_a_test_fails_that_catches_the_error(tmp_path):
    shutil.copyfile(Path(__file__).parent / "conftest.py", tmp_path / "conftest.py")
    code = f"""
import contextlib, socket
def test_caught():
    with contextlib.suppress(Exception):
        {REACH["connect"]}
"""
    (tmp_path / "test_it.py").write_text(code, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", "/dev/null", "-p", "no:cacheprovider", tmp_path],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert result.returncode == 1 and "connect 192.0.2.1" in result.stdout
