"""Downloads: resumed where they stopped, tried again, and honest about what did not arrive."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from medperf.client.downloads import Downloader
from medperf.domain.errors import (
    CancelledError,
    DiskFullError,
    DownloadError,
    InvalidRequestError,
)

CONTENT = bytes(range(256)) * 4000


class FileServer(ThreadingHTTPServer):
    """Serves CONTENT; its attributes say how badly."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.cut_after = []  # how many bytes each answer sends before it breaks off
        self.statuses = []  # answers before the first good one
        self.ranges = True
        self.asked = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/file"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        if server.statuses:
            self.send_error(server.statuses.pop(0))
            return
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "/file")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.ranges else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        cut = server.cut_after.pop(0) if server.cut_after else len(CONTENT)
        self.wfile.write(CONTENT[start : start + cut])
        self.close_connection = True

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def downloader():
    downloader = Downloader(attempts=3, sleep=lambda _: None)
    yield downloader
    downloader.close()


def room(n_bytes):
    """There is always room."""


def test_whole_file_arrives(server, downloader, tmp_path):
    downloader.fetch(server.url, tmp_path / "part", guard=room)
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_redirect_is_followed(server, downloader, tmp_path):
    url = server.url.replace("/file", "/elsewhere")
    downloader.fetch(url, tmp_path / "part", guard=room)
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_broken_off_answer_is_resumed_where_it_stopped(server, downloader, tmp_path):
    server.cut_after = [1000]
    downloader.fetch(server.url, tmp_path / "part", guard=room)
    assert (tmp_path / "part").read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000-"]


def test_next_call_resumes_what_an_earlier_one_left(server, downloader, tmp_path):
    (tmp_path / "part").write_bytes(CONTENT[:5000])
    downloader.fetch(server.url, tmp_path / "part", guard=room)
    assert (tmp_path / "part").read_bytes() == CONTENT
    assert server.asked == ["bytes=5000-"]


def test_server_without_ranges_starts_again(server, downloader, tmp_path):
    server.ranges = False
    (tmp_path / "part").write_bytes(b"half of it")
    downloader.fetch(server.url, tmp_path / "part", guard=room)
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_complete_file_is_left_alone(server, downloader, tmp_path):
    (tmp_path / "part").write_bytes(CONTENT)
    downloader.fetch(server.url, tmp_path / "part", guard=room)
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_busy_server_is_asked_again(server, downloader, tmp_path):
    server.statuses = [503, 429]
    downloader.fetch(server.url, tmp_path / "part", guard=room)
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_gives_up_after_its_attempts_and_keeps_what_arrived(server, downloader, tmp_path):
    server.cut_after = [10, 10, 10, 10]
    with pytest.raises(DownloadError, match=server.url):
        downloader.fetch(server.url, tmp_path / "part", guard=room)
    assert (tmp_path / "part").read_bytes() == CONTENT[:30]


def test_missing_file_is_not_asked_for_again(server, downloader, tmp_path):
    server.statuses = [404, 404]
    with pytest.raises(DownloadError, match="404"):
        downloader.fetch(server.url, tmp_path / "part", guard=room)
    assert len(server.asked) == 1


def test_unreachable_server_is_a_download_error(downloader, tmp_path):
    with pytest.raises(DownloadError, match="127"):
        downloader.fetch("http://127.0.0.1:9/file", tmp_path / "part", guard=room)


@pytest.mark.parametrize("url", ["ftp://example.org/file", "nonsense", "http://"])
def test_other_addresses_are_refused(downloader, tmp_path, url):
    with pytest.raises(InvalidRequestError):
        downloader.fetch(url, tmp_path / "part", guard=room)


def test_guard_stops_it_before_the_disk_is_full(server, downloader, tmp_path):
    def full(n_bytes):
        raise DiskFullError

    with pytest.raises(DiskFullError):
        downloader.fetch(server.url, tmp_path / "part", guard=full)


def test_can_be_stopped(server, downloader, tmp_path):
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        downloader.fetch(server.url, tmp_path / "part", guard=room, cancel=cancel)
