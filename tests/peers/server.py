"""Heirloom's REST server over an empty base of its own."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request


class Server:
    def __init__(self, binary: str, port: int):
        self.folder = tempfile.TemporaryDirectory()
        self.at = f"127.0.0.1:{port}"
        command = [binary, "--base", f"sled://{self.folder.name}/base", "serve", "--listen", self.at]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
        for _ in range(100):
            try:
                self.call("GET", "/v1/tasks")
                return
            except urllib.error.URLError:
                time.sleep(0.1)
        raise SystemExit("the server does not answer")

    def call(self, method: str, path: str, body=None):
        data = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
        kind = "application/x-ndjson" if isinstance(body, str) else "application/json"
        request = urllib.request.Request(f"http://{self.at}{path}", data=data, method=method, headers={"content-type": kind})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{method} {path}: {error} {error.read().decode()}") from error
        return json.loads(text) if text else None

    def tell(self, records: list) -> None:
        self.call("POST", "/v1/import", "\n".join(map(json.dumps, records)))

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()
