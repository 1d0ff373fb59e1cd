"""Certificates and proxies: tap and target heed the same variables, and name them in failures."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import ssl
import subprocess
import threading
import typing as t
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tap_rainfocus.__main__ import main as tap
from target_rainfocus_attendees.__main__ import main as target

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Called, HTTPServing, InProcess

    Ask = Callable[..., Called]

HOST = "rainfocus.invalid"
"""A host that nobody but a proxy can reach."""

CERTIFICATES: t.Final = (
    "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
PROXIES: t.Final = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
PERSON: t.Final = (
    {
        "type": "SCHEMA",
        "stream": "x",
        "key_properties": [],
        "schema": {"properties": {"email": {}}},
    },
    {"type": "RECORD", "stream": "x", "record": {"email": "ada@example.com"}},
    {"type": "RECORD", "stream": "x", "record": {"email": "eve@example.com"}},
)
LOGIN = "user:p%40ss"
AUTHORIZATION = f"Basic {base64.b64encode(b'user:p@ss').decode()}"


@pytest.fixture(params=["tap", "target"])
def ask(request: pytest.FixtureRequest, in_process: InProcess, tmp_path: Path) -> Iterator[Ask]:
    """Run a plugin against an address, in an environment of these variables alone."""
    with pytest.MonkeyPatch.context() as environment:
        for name in CERTIFICATES:
            environment.delenv(name, raising=False)
        for name in (*PROXIES, *map(str.upper, PROXIES)):
            environment.delenv(name, raising=False)

        def ask(url: str, **variables: object) -> Called:
            for name, value in variables.items():
                environment.setenv(name, str(value))
            settings = {
                "org_id": "acme",
                "api_url": f"{url}/api",
                "api_profile": "pro-file",
                "max_retries": 0,
                "request_timeout": 5,
            }
            config, people = tmp_path / "config.json", tmp_path / "people.singer"
            people.write_text("".join(f"{json.dumps(message)}\n" for message in PERSON))
            if request.param == "tap":
                config.write_text(json.dumps(settings | {"event_codes": ["summit26"]}))
                return in_process(tap, "--config", str(config))
            config.write_text(json.dumps(settings | {"event_code": "summit26", "concurrency": 1}))
            return in_process(target, "--config", str(config), "--input", str(people))

        yield ask


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate that vouches for itself, and another one's."""
    folder = tmp_path_factory.mktemp("certificates")
    names = f"subjectAltName=IP:127.0.0.1,DNS:{HOST}"
    for name in ("ca", "other"):
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
                *("-subj", f"/CN={name}", "-addext", names),
                *("-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"),
            ],
            capture_output=True,
            check=True,
        )
    hashed = folder / "hashed"
    hashed.mkdir()
    shutil.copy(folder / "ca.pem", hashed)
    subprocess.run(["openssl", "rehash", hashed], capture_output=True, check=True)
    return folder


@pytest.fixture
def origin(serve_http: HTTPServing, authority: Path) -> Iterator[str]:
    """Where RainFocus answers over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "ca.pem", authority / "ca.key")
    server = ThreadingHTTPServer(("127.0.0.1", 0), RainFocus)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with serve_http(server) as url:
        yield url.replace("http", "https")


class RainFocus(BaseHTTPRequestHandler):
    """Has nobody, and takes everybody; keeps its connections."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(200)

    do_POST = do_GET  # noqa: N815

    def answer(self, status: int) -> None:
        body = b'{"responseCode": "0", "results": [], "data": []}'
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class ProxyServer(ThreadingHTTPServer):
    """A proxy that answers for plain HTTP itself, and connects to one host whoever is named."""

    def __init__(self, origin: str) -> None:
        super().__init__(("127.0.0.1", 0), ProxyHandler)
        self.origin = int(origin.rpartition(":")[2])
        self.asked: list[tuple[str, str]] = []
        self.status = 200
        self.login: str | None = None


class ProxyHandler(RainFocus):
    server: ProxyServer

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(self.verdict())

    do_POST = do_GET  # noqa: N815

    def do_CONNECT(self) -> None:
        status = self.verdict()
        if status != 200:
            self.answer(status)
            return
        with socket.create_connection(("127.0.0.1", self.server.origin)) as there:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=pump, args=(there, self.connection))
            back.start()
            pump(self.connection, there)
            back.join()
        self.close_connection = True

    def verdict(self) -> int:
        self.server.asked.append((self.command, self.path))
        given = self.headers["Proxy-Authorization"]
        return 407 if self.server.login and given != self.server.login else self.server.status


def pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy(serve_http: HTTPServing, origin: str) -> Iterator[ProxyServer]:
    with ProxyServer(origin) as server, serve_http(server):
        yield server


def address(server: ThreadingHTTPServer) -> str:
    return f"127.0.0.1:{server.server_port}"


def error(called: Called) -> str:
    (line,) = (line for line in called.log.splitlines() if "| ERROR " in line)
    assert "Traceback" not in called.log
    assert "p@ss" not in called.log
    assert "p%40ss" not in called.log
    return str(line)


@pytest.mark.parametrize(
    ("variable", "file"),
    [
        ("REQUESTS_CA_BUNDLE", "ca.pem"),
        ("REQUESTS_CA_BUNDLE", "hashed"),
        ("CURL_CA_BUNDLE", "ca.pem"),
        ("SSL_CERT_FILE", "ca.pem"),
        ("SSL_CERT_DIR", "hashed"),
        ("SSL_CERT_DIR", "hashed:/nowhere"),
    ],
)
def test_certificates_that_a_variable_names_are_trusted(
    ask: Ask, origin: str, authority: Path, variable: str, file: str
) -> None:
    done = ask(origin, **{variable: f"{authority}/{file}"})
    assert done.code == 0, done.log


def test_a_bundle_goes_before_the_variables_of_openssl(
    ask: Ask, origin: str, authority: Path
) -> None:
    right, wrong = authority / "ca.pem", authority / "other.pem"
    assert ask(origin, SSL_CERT_FILE=wrong, CURL_CA_BUNDLE=right).code == 0
    assert ask(origin, REQUESTS_CA_BUNDLE=wrong, CURL_CA_BUNDLE=right).code == 78
    assert ask(origin, REQUESTS_CA_BUNDLE="", CURL_CA_BUNDLE=right).code == 0


def test_a_certificate_that_nobody_vouches_for_ends_the_run_and_names_the_variable(
    ask: Ask, origin: str, authority: Path
) -> None:
    done = ask(origin)
    assert done.code == 78
    told = error(done)
    assert "TLS certificate verification failed at 127.0.0.1:" in told
    assert "self-signed certificate" in told
    assert "are not the system's. SSL_CERT_FILE can name a file of them." in told
    told = error(ask(origin, CURL_CA_BUNDLE=authority / "other.pem"))
    assert "are not in what CURL_CA_BUNDLE names" in told


@pytest.mark.parametrize("variable", CERTIFICATES)
@pytest.mark.parametrize("file", ["/nowhere", "other.key"])
def test_certificates_that_cannot_be_read(
    ask: Ask, origin: str, authority: Path, variable: str, file: str
) -> None:
    done = ask(origin, **{variable: authority / file})
    assert done.code == 78
    assert f"The CA certificates cannot be read: check {variable}." in error(done)


def test_a_server_without_tls(ask: Ask, serve_http: HTTPServing) -> None:
    with serve_http(ThreadingHTTPServer(("127.0.0.1", 0), RainFocus)) as url:
        done = ask(url.replace("http", "https"))
    assert done.code == 78
    assert "No TLS with 127.0.0.1:" in error(done)


def test_a_server_that_hangs_up_while_tls_is_agreed_on_may_come_back(ask: Ask) -> None:
    with hanging_up() as port:
        done = ask(f"https://127.0.0.1:{port}")
    assert done.code == 69
    assert "check api_url" in error(done)


@contextmanager
def hanging_up() -> Iterator[int]:
    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                connection.recv(1 << 16)
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=accept)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("variable", ["{}_proxy", "{}_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("form", ["http://{}", "{}", f"http://{LOGIN}@{{}}", f"{LOGIN}@{{}}"])
def test_a_proxy_is_gone_through(
    ask: Ask, proxy: ProxyServer, authority: Path, scheme: str, variable: str, form: str
) -> None:
    proxy.login = AUTHORIZATION if LOGIN in form else None
    variables = {
        variable.format(scheme).upper()
        if variable.isupper()
        else variable.format(scheme): form.format(address(proxy))
    }
    done = ask(f"{scheme}://{HOST}", SSL_CERT_FILE=authority / "ca.pem", **variables)
    assert done.code == 0, done.log
    if scheme == "https":
        assert set(proxy.asked) == {("CONNECT", f"{HOST}:443")}
    else:
        assert len(proxy.asked) >= 2  # the second over the same connection
        assert all(asked.startswith(f"http://{HOST}/api/acme/") for _, asked in proxy.asked)


@pytest.mark.parametrize(
    "no_proxy",
    ["*", "127.0.0.1", "127.0.0.0/8", "10.0.0.0/8, 127.0.0.1/32", "localhost,127.0.0.1"],
)
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_whom_no_proxy_names_is_spoken_to_directly(
    ask: Ask, proxy: ProxyServer, serve_http: HTTPServing, name: str, no_proxy: str
) -> None:
    with serve_http(ThreadingHTTPServer(("127.0.0.1", 0), RainFocus)) as url:
        done = ask(url, HTTP_PROXY=address(proxy), **{name: no_proxy})
    assert done.code == 0, done.log
    assert not proxy.asked


@pytest.mark.parametrize(
    ("no_proxy", "asked"),
    [
        (f"{HOST}:80", "nobody"),
        (f"{HOST}:8080", "proxy"),
        ("invalid", "nobody"),
        (".invalid", "nobody"),
        ("focus.invalid", "proxy"),
        ("10.0.0.0/8", "proxy"),
    ],
)
def test_no_proxy_with_ports_and_domains(
    ask: Ask, proxy: ProxyServer, no_proxy: str, asked: str
) -> None:
    done = ask(f"http://{HOST}", HTTP_PROXY=address(proxy), NO_PROXY=no_proxy)
    assert bool(proxy.asked) == (asked == "proxy")
    assert done.code == (0 if asked == "proxy" else 69)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("form", ["{}", "http://user:wrong@{}"])
def test_a_proxy_that_wants_another_password_says_so(
    ask: Ask, proxy: ProxyServer, scheme: str, form: str
) -> None:
    proxy.login = AUTHORIZATION
    done = ask(f"{scheme}://{HOST}", ALL_PROXY=form.format(address(proxy)))
    assert done.code == 78
    assert "The proxy that ALL_PROXY names answered with HTTP 407: give it user name" in error(done)
    assert len(proxy.asked) == 1


@pytest.mark.parametrize(("status", "code"), [(403, 78), (404, 78), (502, 69), (503, 69)])
def test_a_proxy_that_does_not_connect_says_so(
    ask: Ask, proxy: ProxyServer, status: int, code: int
) -> None:
    proxy.status = status
    done = ask(f"https://{HOST}", HTTPS_PROXY=address(proxy))
    assert done.code == code
    assert f"The proxy that HTTPS_PROXY names answered with HTTP {status}" in error(done)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there(ask: Ask, scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    done = ask(f"{scheme}://{HOST}", ALL_PROXY=f"http://{LOGIN}@127.0.0.1:{port}")
    assert done.code == 69
    assert "The proxy that ALL_PROXY names cannot be reached: check it, and NO_PROXY." in error(
        done
    )


@pytest.mark.parametrize(
    "proxy", ["socks5://127.0.0.1:1080", "http://", "http://h:port", "ftp://h"]
)
def test_what_is_no_proxy_is_refused(ask: Ask, proxy: str) -> None:
    done = ask(f"http://{HOST}", HTTP_PROXY=proxy)
    assert done.code == 78
    assert "HTTP_PROXY names no HTTP proxy: give it as http://host:port." in error(done)


def test_a_proxy_over_tls(ask: Ask, serve_http: HTTPServing, origin: str, authority: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "ca.pem", authority / "ca.key")
    with ProxyServer(origin) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        with serve_http(server):
            done = ask(
                f"https://{HOST}",
                SSL_CERT_FILE=authority / "ca.pem",
                HTTPS_PROXY=f"https://{address(server)}",
            )
    assert done.code == 0, done.log
    assert server.asked
