"""The floor: the bare requests, and hand-written loops.

Run as ``python -m benchmarks.bare WHAT FOLDER ROOT``; prints the seconds that the work itself took.
Unlike those of kestra-sync, they do not include the start of the interpreter and the imports.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import importlib
import json
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    import requests

PARALLEL = 8
_BATCH = 100
_VALIDATIONS = 4
_YAML = {"Content-Type": "application/x-yaml"}

Names = list[tuple[str, str, Path]]


class Api:
    """Raw HTTP: one connection for each thread, kept alive."""

    def __init__(self) -> None:
        self.url = os.environ["KESTRA_API_URL"]
        pair = f"{os.environ['KESTRA_USERNAME']}:{os.environ['KESTRA_PASSWORD']}"
        self.headers = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        self._local = threading.local()

    def send(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes]:
        """Status and body of the response."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            parts = urlsplit(self.url)
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80)
            self._local.connection = connection
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        target = f"/api/v1/main{path}"
        connection.request(method, target, body, {**self.headers, **named})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def write(self, method: str, path: str, body: bytes) -> bytes:
        """The response to a write of a flow, which must be successful."""
        status, answer = self.send(method, path, body, Content_Type="application/x-yaml")
        assert status == 200, (status, answer[:300])
        return answer


def main() -> None:
    """Run it, and print the duration."""
    what, folder, root = sys.argv[1:4]
    work = _WHAT[what]
    files = Path(folder)
    api = Api()
    if what in ("export", "read"):
        names: Names = []
    else:
        names = named(files, root)
    with _timed() as seconds:
        work(api, files, root, names)
    print(json.dumps({"seconds": seconds[0]}))


@contextmanager
def _timed() -> Iterator[list[float]]:
    seconds: list[float] = []
    started = time.perf_counter()
    yield seconds
    seconds.append(time.perf_counter() - started)


def named(folder: Path, root: str) -> Names:
    """Namespace, id and file of every flow; the folders are the namespaces."""
    return [
        (".".join((root, *path.relative_to(folder).parts[:-1])), path.stem, path)
        for path in sorted(folder.rglob("*.yaml"))
    ]


def export(api: Api, folder: Path, root: str, _names: Names) -> None:
    """One export of everything (not even unpacked), and every file read and hashed."""
    status, answer = api.send(
        "GET", f"/flows/export/by-query?filters%5Bnamespace%5D%5BPREFIX%5D={quote(root)}"
    )
    assert status == 200, (status, answer[:300])
    read(api, folder, root, _names)


def read(_api: Api, folder: Path, _root: str, _names: Names) -> None:
    """Every file, read and hashed."""
    for directory, _, files in os.walk(folder):
        for name in files:
            with open(os.path.join(directory, name), "rb") as file:  # noqa: PTH118, PTH123
                hashlib.sha256(file.read()).hexdigest()


def create(api: Api, _folder: Path, _root: str, names: Names) -> None:
    """A POST for each flow, as many at once as kestra-sync sends."""
    _each(names, lambda _space, _id, path: api.write("POST", "/flows", path.read_bytes()))


def update(api: Api, _folder: Path, _root: str, names: Names) -> None:
    """A read and a PUT for each flow, as many at once as kestra-sync sends."""

    def one(namespace: str, flow: str, path: Path) -> None:
        status, _ = api.send("GET", f"/flows/{namespace}/{flow}?source=true")
        assert status == 200
        api.write("PUT", f"/flows/{namespace}/{flow}", path.read_bytes())

    _each(names, one)


def validate(api: Api, _folder: Path, _root: str, names: Names) -> None:
    """The validation of all flows, in batches of 100, four at once."""

    def one(batch: Names) -> None:
        mark = "----bench"
        parts = b"".join(
            f'--{mark}\r\nContent-Disposition: form-data; name="flows"; filename="{number}.yaml"'
            "\r\nContent-Type: application/x-yaml\r\n\r\n".encode()
            + path.read_bytes()
            + b"\r\n"
            for number, (_, _, path) in enumerate(batch)
        )
        form = f"multipart/form-data; boundary={mark}"
        body = parts + f"--{mark}--\r\n".encode()
        status, answer = api.send("POST", "/flows/validate", body, Content_Type=form)
        assert status == 200, (status, answer[:300])

    with ThreadPoolExecutor(_VALIDATIONS) as pool:
        list(pool.map(one, [names[at : at + _BATCH] for at in range(0, len(names), _BATCH)]))


def _session() -> requests.Session:
    """A session of ``requests``, imported here because other counterparts do not need it."""
    import requests

    session = requests.Session()
    session.auth = (os.environ["KESTRA_USERNAME"], os.environ["KESTRA_PASSWORD"])
    session.trust_env = False
    return session


def loop_requests(api: Api, _folder: Path, _root: str, names: Names) -> None:
    """A hand-written loop: get, compare, put, flow by flow, with ``requests``."""
    with _session() as session:
        base = f"{api.url}/api/v1/main/flows"
        for namespace, flow, path in names:
            source = path.read_bytes()
            answer = session.get(
                f"{base}/{namespace}/{flow}", params={"source": "true"}, timeout=60
            )
            if answer.status_code == 404:
                session.post(base, data=source, headers=_YAML, timeout=60).raise_for_status()
            elif answer.json()["source"].encode() != source:
                session.put(
                    f"{base}/{namespace}/{flow}", data=source, headers=_YAML, timeout=60
                ).raise_for_status()


def loop_validate(api: Api, _folder: Path, _root: str, names: Names) -> None:
    """A hand-written validation: one request for each flow, with ``requests``."""
    with _session() as session:
        for _, _, path in names:
            answer = session.post(
                f"{api.url}/api/v1/main/flows/validate",
                data=path.read_bytes(),
                headers=_YAML,
                timeout=60,
            )
            answer.raise_for_status()
            assert not answer.json()[0].get("constraints")


def loop_sdk(api: Api, _folder: Path, _root: str, names: Names) -> None:
    """The same with Kestra's own Python SDK."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sdk: Any = importlib.import_module("kestrapy")

    client = sdk.KestraClient(
        host=api.url,
        username=os.environ["KESTRA_USERNAME"],
        password=os.environ["KESTRA_PASSWORD"],
        timeout=60,
    )
    for namespace, flow, path in names:
        source = path.read_text(encoding="utf-8")
        live = client.flows.flow(namespace, flow, "main", source=True)
        if live.source != source:
            client.flows.update_flow(namespace, flow, "main", source)


def loop_curl(api: Api, _folder: Path, _root: str, names: Names) -> None:
    """The same in a shell script: a curl for each flow."""
    config = f'user = "{os.environ["KESTRA_USERNAME"]}:{os.environ["KESTRA_PASSWORD"]}"\n'
    for namespace, flow, path in names:
        done = subprocess.run(
            [
                "curl",
                "-sf",
                "-K",
                "-",
                f"{api.url}/api/v1/main/flows/{namespace}/{flow}?source=true",
            ],
            input=config.encode(),
            capture_output=True,
            check=True,
        )
        assert json.loads(done.stdout)["source"].encode() == path.read_bytes()


def _each(names: Names, one: Callable[[str, str, Path], object]) -> None:
    with ThreadPoolExecutor(PARALLEL) as pool:
        for future in [pool.submit(one, *name) for name in names]:
            future.result()


_WHAT: dict[str, Callable[[Api, Path, str, Names], None]] = {
    "export": export,
    "read": read,
    "create": create,
    "update": update,
    "validate": validate,
    "requests": loop_requests,
    "validate by hand": loop_validate,
    "kestrapy": loop_sdk,
    "curl": loop_curl,
}

if __name__ == "__main__":
    main()
