"""Storages of each kind, with a real server behind each: started on a free port of 127.0.0.1, in a folder that goes with it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from inventory.selectors.sites import LfnRule
from operations.storage import Access, Gateway, gateway_for
from tests.factories.own_servers import PATIENCE_SECONDS, free_port

#: Modules of nginx, where distributions put them.
NGINX_MODULES = tuple(
    Path(folder) / "ngx_http_dav_ext_module.so" for folder in ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules")
)
_LIMITED_USER = "nobody"


def find_xrootd() -> str | None:
    return shutil.which("xrootd", path=f"{os.environ.get('PATH', '')}:/usr/bin")


def find_nginx() -> str | None:
    """Return nginx if it has the module for WebDAV."""
    has_module = any(module.is_file() for module in NGINX_MODULES)
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin") if has_module else None


class RealStorage(ABC):
    """A storage of one site; ``outside`` is a folder beside the root in which nothing may ever be touched."""

    kind: str
    can_refuse = True

    @property
    @abstractmethod
    def url(self) -> str: ...

    @abstractmethod
    def put(self, lfn: str, content: bytes = b"content") -> None: ...

    @abstractmethod
    def all_names(self) -> set[str]:
        """Return the logical names of all files below the root, Dynamo's marker left out, its trash not."""

    @abstractmethod
    def files(self) -> dict[str, bytes]:
        """Return the content of each of them by its logical name."""

    @abstractmethod
    def refuse(self, folder: str) -> None:
        """Have the storage refuse deletions in a folder."""

    @abstractmethod
    def outside(self) -> dict[str, bytes]:
        """Return what lies beside the root; it is made with two canaries."""

    def beside(self, name: str) -> RealStorage:
        """Return the storage at an address at which nothing is."""
        return Elsewhere(
            self.url.replace("/site", f"/{name}") if self.kind != "s3" else self.url.replace("s3://", f"s3://{name}")
        )

    def elsewhere(self) -> RealStorage:
        """Return the storage at a port at which nobody listens."""
        return Elsewhere(self.url.replace(f":{self.port}", f":{free_port()}"))

    @property
    def port(self) -> str:
        return self.url.split("127.0.0.1:", 1)[1].split("/", 1)[0]

    def gateway(self, site_name: str = "T2_A", rules: tuple[LfnRule, ...] = (), access: Access | None = None) -> Gateway:
        return gateway_for(site_name=site_name, endpoint_url=self.url, lfn_rules=rules, access=access)

    def names(self) -> set[str]:
        """Return the logical names of files in their places."""
        return {name for name in self.all_names() if not name.startswith("/.dynamo-")}

    def trash_names(self) -> set[str]:
        return {name for name in self.all_names() if name.startswith("/.dynamo-trash/")}


class Elsewhere(RealStorage):
    """An address without a storage."""

    def __init__(self, url: str) -> None:
        self._url = url

    @property
    def url(self) -> str:
        return self._url

    def _nothing(self, *args: object) -> Any:
        raise AssertionError(f"there is nothing at {self._url}")

    put = all_names = files = refuse = outside = _nothing


class FolderStorage(RealStorage):
    """What a server shows of a folder of this machine; a local folder is its own server."""

    kind = "local"

    def __init__(self, folder: Path, url: str = "") -> None:
        self.folder = folder
        self.root = folder / "site"
        self._url = url or self.root.as_uri()
        for name in ("site", "outside"):
            (folder / name).mkdir(parents=True)
            _open_to_all(folder / name)
        self._canaries = (folder / "outside" / "secret", folder / "secret")
        for canary in self._canaries:
            canary.write_bytes(b"canary")
            _open_to_all(canary)

    @property
    def url(self) -> str:
        return self._url

    def put(self, lfn: str, content: bytes = b"content") -> None:
        path = self.root / lfn.removeprefix("/")
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True)
            for above in path.parent.parents:
                if above == self.root:
                    break
                _open_to_all(above)
            _open_to_all(path.parent)
        path.write_bytes(content)
        _open_to_all(path)

    def all_names(self) -> set[str]:
        found = (path for path in self.root.rglob("*") if path.is_file() and path.name != ".dynamo-storage")
        return {f"/{path.relative_to(self.root)}" for path in found}

    def files(self) -> dict[str, bytes]:
        return {name: (self.root / name[1:]).read_bytes() for name in self.all_names()}

    def refuse(self, folder: str) -> None:
        (self.root / folder.removeprefix("/")).chmod(0o555)

    def outside(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in self._canaries if path.is_file()}


class LocalStorage(FolderStorage):
    """A local folder. Root is refused nothing, so where the tests run as root nothing can be."""

    can_refuse = os.geteuid() != 0


class XRootDStorage(FolderStorage):
    kind = "xrootd"


class WebDavStorage(FolderStorage):
    kind = "webdav"


class S3Storage(RealStorage):
    """A prefix of a bucket; outside are keys beside the prefix and another bucket."""

    kind = "s3"
    _OUTSIDE = ("secret", "outside/secret", "sites/secret")

    def __init__(self, server: str, bucket: str) -> None:
        self._server = server
        self._bucket = bucket
        self._s3.create_bucket(Bucket=bucket)
        for key in self._OUTSIDE:
            self._s3.put_object(Bucket=bucket, Key=key, Body=b"canary")

    @cached_property
    def _s3(self) -> Any:
        import boto3  # noqa: PLC0415 - comes with moto; not everybody has it

        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        return boto3.client("s3", endpoint_url=self._server, **keys)

    @property
    def url(self) -> str:
        return f"s3://{self._bucket}/site?endpoint={quote(self._server, safe=':/')}"

    def put(self, lfn: str, content: bytes = b"content") -> None:
        self._s3.put_object(Bucket=self._bucket, Key=f"site/{lfn.removeprefix('/')}", Body=content)

    def all_names(self) -> set[str]:
        return {key.removeprefix("site") for key in self._keys("site/")} - {"/.dynamo-storage"}

    def files(self) -> dict[str, bytes]:
        return {name: self._content(f"site{name}") for name in self.all_names()}

    def refuse(self, folder: str) -> None:
        import json  # noqa: PLC0415

        statement = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:DeleteObject",
            "Resource": f"arn:aws:s3:::{self._bucket}/site{folder}/*",
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        self._s3.put_bucket_policy(Bucket=self._bucket, Policy=json.dumps(policy))

    def keep_versions(self) -> None:
        self._s3.put_bucket_versioning(Bucket=self._bucket, VersioningConfiguration={"Status": "Enabled"})

    def versions(self) -> dict[str, int]:
        """Return how many versions and markers there are of each logical name, the marker of the site left out."""
        page = self._s3.list_object_versions(Bucket=self._bucket, Prefix="site/")
        keys = [entry["Key"].removeprefix("site") for kind in ("Versions", "DeleteMarkers") for entry in page.get(kind, ())]
        return dict(Counter(key for key in keys if key != "/.dynamo-storage"))

    def outside(self) -> dict[str, bytes]:
        return {key: self._content(key) for key in self._keys("") if not key.startswith("site/")}

    def _content(self, key: str) -> bytes:
        return bytes(self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read())

    def _keys(self, prefix: str) -> list[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]


class Servers:
    """The servers that a test run has started, each when it is first asked for."""

    def __init__(self) -> None:
        # Not below pytest's own folder: no other user may enter that, and servers do not run as root.
        self._folder = Path(tempfile.mkdtemp(prefix="dynamo-storages-"))
        self._folder.chmod(0o755)
        self._started: dict[str, tuple[subprocess.Popen[bytes], int]] = {}
        self._made = 0

    def storage(self, kind: str) -> RealStorage:
        """Return a fresh storage behind the server of a kind."""
        self._made += 1
        name = f"{kind}{self._made}"
        folder = self._folder / kind / name
        match kind:
            case "local":
                return LocalStorage(folder)
            case "xrootd":
                return XRootDStorage(folder, f"root://127.0.0.1:{self.port(kind)}/{name}/site")
            case "webdav":
                return WebDavStorage(folder, f"dav://127.0.0.1:{self.port(kind)}/{name}/site")
            case _:
                return S3Storage(f"http://127.0.0.1:{self.port(kind)}", name)

    def port(self, kind: str) -> int:
        """Return the port of the server of a kind."""
        if kind not in self._started:
            port = free_port()
            (self._folder / kind).mkdir(exist_ok=True)
            _open_to_all(self._folder / kind)
            start = {"xrootd": self._xrootd, "webdav": self._nginx, "s3": self._moto}[kind]
            log = (self._folder / f"{kind}.log").open("wb")
            process = subprocess.Popen(start(port), stdout=log, stderr=log, cwd=self._folder)
            log.close()
            self._started[kind] = (process, port)
            _wait_until_open(process, port, self._folder / f"{kind}.log")
        return self._started[kind][1]

    @contextmanager
    def frozen(self, kind: str) -> Iterator[None]:
        """Have a server answer nothing for a while: its port is open, its processes stand still."""
        pids = _family(self._started[kind][0].pid)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        # Said is not done: a thread that was running may answer once more.
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not all(_stands_still(pid) for pid in pids):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{kind} does not stand still")
            time.sleep(0.01)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        """Stop all servers and remove their folder."""
        for process, _ in self._started.values():
            process.terminate()
        for process, _ in self._started.values():
            try:
                process.wait(timeout=PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for path in self._folder.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o777)
        shutil.rmtree(self._folder)

    def _xrootd(self, port: int) -> list[str]:
        for name in ("admin", "empty"):
            (self._folder / name).mkdir()
            _open_to_all(self._folder / name)
        config = self._folder / "xrootd.cfg"
        config.write_text(
            f"xrd.port {port}\nall.export /\noss.localroot {self._folder / 'xrootd'}\n"
            f"all.adminpath {self._folder / 'admin'}\nall.pidpath {self._folder / 'admin'}\n"
        )
        as_user = ["-R", _LIMITED_USER] if os.geteuid() == 0 else []
        return [str(find_xrootd()), *as_user, "-c", str(config)]

    def _nginx(self, port: int) -> list[str]:
        (self._folder / "nginx").mkdir()
        _open_to_all(self._folder / "nginx")
        module = next(path for path in NGINX_MODULES if path.is_file())
        user = f"user {_LIMITED_USER} {_group_of(_LIMITED_USER)};" if os.geteuid() == 0 else ""
        config = self._folder / "nginx.conf"
        paths = "".join(
            f"{name}_temp_path {self._folder}/nginx/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        config.write_text(
            f"""load_module {module}; {user} daemon off; worker_processes 1;
            pid {self._folder}/nginx/pid; error_log {self._folder}/nginx/error.log;
            events {{ worker_connections 128; }}
            http {{ access_log off; keepalive_requests 1000000; {paths}
                server {{ listen 127.0.0.1:{port}; root {self._folder / "webdav"};
                    location / {{ dav_methods PUT DELETE MKCOL COPY MOVE; dav_ext_methods PROPFIND OPTIONS;
                        dav_access user:rw group:rw all:rw; }} }} }}"""
        )
        return [str(find_nginx()), "-e", str(self._folder / "nginx.log"), "-p", str(self._folder), "-c", str(config)]

    def _moto(self, port: int) -> list[str]:
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]


def _open_to_all(path: Path) -> None:
    path.chmod(0o777 if path.is_dir() else 0o666)


def _group_of(user: str) -> str:
    import grp  # noqa: PLC0415

    return grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name


def _family(pid: int) -> list[int]:
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], check=False, capture_output=True, text=True
    ).stdout.split()
    return [pid, *map(int, children)]


def _stands_still(pid: int) -> bool:
    states = subprocess.run(["ps", "-L", "-o", "state=", "-p", str(pid)], check=False, capture_output=True, text=True).stdout
    return set(states.split()) <= {"T"}


def _wait_until_open(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with closing(socket.socket()) as some:
            if some.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the server on port {port} did not start:\n{log.read_text(errors='replace')[-4000:]}")
