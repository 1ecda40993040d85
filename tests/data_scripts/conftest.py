"""Running a script of data_scripts, and a server that misbehaves as real ones do."""

import hashlib
import importlib
import json
import runpy
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

SCRIPTS = Path(__file__).parents[2] / "data_scripts"


class Ending(Exception):
    """How a script ended that did not end well."""

    def __init__(self, status, line):
        super().__init__(line)
        self.status, self.line = status, line


@pytest.fixture
def module(monkeypatch):
    """A module of data_scripts by name."""
    monkeypatch.syspath_prepend(SCRIPTS)
    return importlib.import_module


@pytest.fixture
def leave(module, capsys):
    """Runs a program in this process and returns what it printed; raises Ending where it says what was wrong, in one line."""

    def run(main):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            module("preparation.command_line").run(main)
        out, err = capsys.readouterr()
        if ended.value.code:
            assert len(err.splitlines()) == 1, err
            raise Ending(ended.value.code, err)
        return out

    return run


@pytest.fixture
def script(module, monkeypatch, leave):
    """The same of a script, by name and with words on its command line."""

    def run(name, *words):
        monkeypatch.setattr(sys, "argv", [f"data_scripts/{name}.py", *map(str, words)])
        return leave(module(name).main)

    return run


@pytest.fixture
def refused(script):
    """Runs a script that has to end in one line with status 2 and to leave nothing at a path; returns the line."""

    def run(name, *words, leaves_no):
        with pytest.raises(Ending) as ended:
            script(name, *words)
        assert ended.value.status == 2
        assert not leaves_no.exists() and not leaves_no.with_name(leaves_no.name + ".part").exists()
        return ended.value.line

    return run


@pytest.fixture
def program(monkeypatch, capsys):
    """Runs a script as `python data_scripts/NAME.py` does, but in this process: starting Python and torch takes seconds."""

    def run(name, *words):
        monkeypatch.setattr(sys, "argv", [f"data_scripts/{name}.py", *map(str, words)])
        monkeypatch.syspath_prepend(SCRIPTS)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")
        out, err = capsys.readouterr()
        assert ended.value.code == 0, err
        return out

    return run


class Mirror(ThreadingHTTPServer):
    """A Zenodo on the loopback address.

    Attributes:
        files: Content by name.
        asked: Range header (or None) of every request for a file.
        sends_at_most: Bytes of the next answers, after each of which the connection breaks; whole ones after that.
        ranges: Whether Range is understood.
        status: What to answer for files.
        declared: Entries of the record that are not the right ones, by name of the file, such as {"a.zip": {"checksum": None}}.
        endless: Bytes that go on after a file's content, without a Content-Length.
        sent: How many of those were sent.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.files, self.asked, self.sends_at_most, self.ranges, self.status = {}, [], [], True, 200
        self.declared, self.endless, self.sent = {}, 0, 0

    @property
    def record(self):
        """The record's address."""
        return f"http://127.0.0.1:{self.server_port}/api/records/1"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/api/records/1":
            self._send(
                json.dumps({"files": [self._told(name) for name in self.server.files], "metadata": {"version": "7"}}).encode()
            )
            return
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        if self.server.status != 200:
            self.send_error(self.server.status)
            return
        content = self.server.files[self.path.removeprefix("/files/")]
        if self.server.endless:
            self._send_endless(content)
            return
        first = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.server.ranges else 0
        if first and first >= len(content):
            self.send_error(416)
            return
        self._send(content[first:], f"bytes {first}-{len(content) - 1}/{len(content)}" if first else None)

    def _told(self, name):
        content = self.server.files[name]
        url = f"http://127.0.0.1:{self.server.server_port}/files/{name}"
        right = {"key": name, "size": len(content), "checksum": f"md5:{hashlib.md5(content).hexdigest()}", "links": {"self": url}}
        return right | self.server.declared.get(name, {})

    def _send(self, content, part=None):
        self.send_response(206 if part else 200)
        if part:
            self.send_header("Content-Range", part)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        cut = self.server.sends_at_most.pop(0) if self.server.sends_at_most and self.path != "/api/records/1" else len(content)
        self.wfile.write(content[:cut])

    def _send_endless(self, content):
        self.send_response(200)
        self.end_headers()
        try:
            self.wfile.write(content)
            while self.server.sent < self.server.endless:
                self.server.sent += self.wfile.write(bytes(2**16))
        except ConnectionError:  # the client has had enough
            pass

    def log_message(self, *_):
        pass


@pytest.fixture
def mirror(module, monkeypatch):
    """A server that serves what the test gives it; waiting takes no time."""
    monkeypatch.setattr(module("preparation.download"), "WAIT_S", 0.0)
    server = Mirror()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
