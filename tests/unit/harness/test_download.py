"""What a download leaves in the cache: the programs when all is well, nothing otherwise."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.harness.download import DownloadError, Limits, download
from tests.harness.versions import Suite

PROGRAM = b"\x7fELF a program" * 1000
QUICK = Limits(connect_seconds=1.0, silence_seconds=0.3, total_seconds=5.0)


@dataclass
class Site:
    """A release on a local HTTP server; tests change what it serves."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    """Closed halfway through."""
    silent: set[str] = field(default_factory=set)
    """Answered with nothing until the end of the test."""
    slow: set[str] = field(default_factory=set)
    """One byte at a time, for ever."""
    over: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rsplit("/", 1)[-1]
            if name in served.silent:
                served.over.wait(30)
                return
            body = served.files.get(name)
            if body is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if name in served.slow:
                while not served.over.wait(0.05):
                    self.wfile.write(b"x")
            else:
                self.wfile.write(body[: len(body) // 2] if name in served.broken else body)

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the base class names it so
            """Stay quiet."""

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                return  # the client gave up, as it should

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}/release"
    try:
        yield served
    finally:
        served.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def single(site: Site) -> Suite:
    """Return a suite of two single files, each with its checksum beside it."""
    for name in ("one", "two"):
        site.files[name] = PROGRAM + name.encode()
        site.files[f"{name}.sha256"] = hashlib.sha256(site.files[name]).hexdigest().encode()
    return Suite("things", "1.2.3", ("one", "two"), Path(), (), "", site.url)


def archived(site: Site) -> Suite:
    """Return a suite in an archive, with a list of checksums beside it."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as files:
        info = tarfile.TarInfo("store-v1/one")
        info.size = len(PROGRAM)
        files.addfile(info, io.BytesIO(PROGRAM))
    content = site.files["store-v1.tar.gz"] = archive.getvalue()
    other = hashlib.sha256(b"other").hexdigest()
    own = hashlib.sha256(content).hexdigest()
    site.files["SHA256SUMS"] = f"{other}  other.tar.gz\n{own}  store-v1.tar.gz\n".encode()
    return Suite(
        "store",
        "1",
        ("one",),
        Path(),
        (),
        "",
        site.url,
        archive="store-v1.tar.gz",
        archive_folder="store-v1",
        checksums="SHA256SUMS",
    )


def contents(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_single_files_are_kept_executable(site: Site, tmp_path: Path) -> None:
    suite = single(site)
    download(suite, ("one", "two"), cache=tmp_path, limits=QUICK)
    assert contents(tmp_path) == [f"{suite.folder}/one", f"{suite.folder}/two"]
    assert (tmp_path / suite.folder / "two").read_bytes() == PROGRAM + b"two"
    assert (tmp_path / suite.folder / "two").stat().st_mode & 0o777 == 0o755


def test_a_program_is_taken_out_of_a_checked_archive(site: Site, tmp_path: Path) -> None:
    suite = archived(site)
    download(suite, ("one",), cache=tmp_path, limits=QUICK)
    assert contents(tmp_path) == [f"{suite.folder}/one"]
    assert (tmp_path / suite.folder / "one").read_bytes() == PROGRAM


def forge(site: Site) -> None:
    site.files["two"] = site.files["two"][:-1] + b"!"


def forge_archive(site: Site) -> None:
    site.files["store-v1.tar.gz"] += b"!"


def misname(site: Site) -> None:
    site.files["SHA256SUMS"] = site.files["SHA256SUMS"].replace(b"store-v1", b"store-v2")


def empty_checksum(site: Site) -> None:
    site.files["two.sha256"] = b""


def lose(name: str):
    return lambda site: site.files.pop(name)


OTHER = "checksum is not the published one"
FAILURES = {
    "a file that is not what its checksum says": (single, forge, OTHER),
    "an archive that is not what the list says": (
        archived,
        forge_archive,
        "checksum is not the published one",
    ),
    "a list of checksums without the archive": (archived, misname, "has no checksum of store-v1.tar.gz"),
    "an empty checksum": (single, empty_checksum, "has no checksum of two"),
    "a connection that closes halfway": (single, lambda site: site.broken.add("two"), "broke off"),
    "a program that is not there": (single, lose("two"), "HTTP 404"),
    "a checksum that is not there": (single, lose("two.sha256"), "HTTP 404"),
    "an archive that is not there": (archived, lose("store-v1.tar.gz"), "HTTP 404"),
    "a server that accepts and says nothing": (single, lambda site: site.silent.add("two"), "timed out"),
    "an archive that never comes": (archived, lambda site: site.silent.add("SHA256SUMS"), "timed out"),
}


@pytest.mark.parametrize(("make", "spoil", "says"), FAILURES.values(), ids=FAILURES.keys())
def test_nothing_is_kept_of(make, spoil, says, site: Site, tmp_path: Path) -> None:
    suite = make(site)
    spoil(site)
    with pytest.raises(DownloadError, match=says):
        download(suite, suite.programs, cache=tmp_path, limits=QUICK)
    assert contents(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_trickles_in_is_given_up(site: Site, tmp_path: Path) -> None:
    suite = single(site)
    site.slow.add("one")
    with pytest.raises(DownloadError, match="not done after"):
        download(suite, ("one",), cache=tmp_path, limits=Limits(1.0, 0.3, 0.5))
    assert list(tmp_path.iterdir()) == []


def test_a_host_that_does_not_exist_is_told_soon(tmp_path: Path) -> None:
    suite = Suite("things", "1", ("one",), Path(), (), "", "https://releases.invalid/v1")
    with pytest.raises(DownloadError, match=r"releases\.invalid is not reachable"):
        download(suite, ("one",), cache=tmp_path, limits=QUICK)
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_nobody_listens_on_is_told_at_once(site: Site, tmp_path: Path) -> None:
    suite = Suite("things", "1", ("one",), Path(), (), "", "http://127.0.0.1:1/v1")
    with pytest.raises(DownloadError, match="not reachable"):
        download(suite, ("one",), cache=tmp_path, limits=QUICK)
