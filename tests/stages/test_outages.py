"""A real MLflow server that comes and goes, a way to it that loses replies, and drivers that are killed."""

import http.client
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from musegen.cluster.train import PROGRESS
from musegen.registry import GENERATOR_EXPERIMENT, Runs
from musegen.stages import tracking
from musegen.stages.tracking import Tracker, catch_up
from musegen.stages.training_spool import Spool, Story
from musegen.training import Progress, journal
from musegen.workspace import Workspace

pytestmark = pytest.mark.slow

CURVES = ("train_nll_per_token", "learning_rate", "epoch", "tokens_per_second", "data_wait_share")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """MLflow on loopback, in processes of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1",
            "--backend-store-uri", f"sqlite:///{self._folder / 'server.db'}",
            "--artifacts-destination", str(self._folder / "artifacts"),
        ]  # fmt: skip
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True)
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            try:
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                time.sleep(0.2)
            finally:
                connection.close()
        raise TimeoutError("MLflow did not start")

    def stop(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


class Way(ThreadingHTTPServer):
    """The way to the server: every `loses`th request is answered to nobody (0: none)."""

    daemon_threads = True

    def __init__(self, upstream: int) -> None:
        super().__init__(("127.0.0.1", 0), _Passage)
        self.upstream, self.loses, self.passed, self.lost = upstream, 0, 0, 0


class _Passage(BaseHTTPRequestHandler):
    server: Way

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        connection = http.client.HTTPConnection("127.0.0.1", self.server.upstream, timeout=60)
        self.close_connection = True
        try:
            kept = {name: value for name, value in self.headers.items() if name.lower() != "accept-encoding"}
            connection.request(self.command, self.path, body, kept)
            reply = connection.getresponse()
            content = reply.read()
        except OSError:
            return
        finally:
            connection.close()
        self.server.passed += 1
        if self.server.loses and self.server.passed % self.server.loses == 0:
            self.server.lost += 1
            return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.getheader("Content-Type") or "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        self.do_GET()

    def do_PATCH(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def served(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Workspace, Server, Way]]:
    """A workspace whose MLflow is the server at the end of the way."""
    server = Server(tmp_path)
    way = Way(server.port)
    thread = threading.Thread(target=way.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{way.server_address[1]}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(tracking, "_SECONDS", 0.1)
    try:
        yield workspace, server, way
    finally:
        way.shutdown()
        way.server_close()
        thread.join()
        server.stop()


def drive(workspace: Workspace, run: Path, resumed: int, until: int) -> None:
    """A driver whose training goes on from step `resumed`; it lives until it is killed or has done `until` steps."""
    with Tracker(workspace, run, Story(run.name, {"model.width": 16}, {"git.sha": "s"})) as tracker:
        if resumed:
            journal.append(run / PROGRESS, Progress(resumed, until, 0.0, 5.0, 0.1, 0.0, resumed=True))
        for step in range(resumed + 1, until + 1):
            valid = 9.0 / step if step % 10 == 0 else None
            journal.append(run / PROGRESS, Progress(step, until, step / 10, 5.0 / step, 0.1, 1e3 * time.time(), valid))
            time.sleep(0.05)
        tracker.finish(until, {"training.steps": float(until)})


def driver(workspace: Workspace, run: Path, resumed: int, until: int) -> Any:
    process = multiprocessing.get_context("fork").Process(target=drive, args=(workspace, run, resumed, until))
    process.start()
    return process


def until_step(run: Path, step: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        words = journal.read(run / PROGRESS)[0]
        if words and words[-1].step >= step:
            return
        time.sleep(0.02)
    raise TimeoutError(f"step {step} never came")


def kill(process: Any) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def test_outages_lost_replies_and_kills_leave_every_point_once(served: tuple[Workspace, Server, Way]) -> None:
    workspace, server, way = served
    run = workspace.runs / "generator-1"
    run.mkdir(parents=True)

    process = driver(workspace, run, 0, 1000)  # nobody answers when the training begins
    until_step(run, 20)
    kill(process)
    assert Spool(run).sent is None and Spool(run).waiting() > 90

    server.start()
    way.loses = 3
    process = driver(workspace, run, 10, 1000)
    until_step(run, 60)
    kill(process)
    assert way.lost > 3

    way.loses = 2
    process = driver(workspace, run, 50, 120)
    until_step(run, 90)
    server.stop()  # in the middle, and beyond the end
    process.join()
    assert process.exitcode == 0 and Spool(run).waiting() > 0

    server.start()
    way.loses = 5
    deadline = time.monotonic() + 120
    while catch_up(workspace) and time.monotonic() < deadline:
        time.sleep(0.1)
    way.loses = 0
    assert catch_up(workspace) == [] and Spool(run).waiting() == 0
    runs = Runs(workspace)
    client = runs._connection.client
    experiment = client.get_experiment_by_name(GENERATOR_EXPERIMENT)
    (only,) = client.search_runs([experiment.experiment_id])
    assert (only.info.run_id, only.info.status) == (runs.find(GENERATOR_EXPERIMENT, "generator-1"), "FINISHED")
    assert only.data.params == {"model.width": "16"} and only.data.metrics["training.steps"] == 120
    for name in CURVES:
        stored = client.get_metric_history(only.info.run_id, f"training/{name}")
        assert sorted(point.step for point in stored) == list(range(1, 121)), name
    best = client.get_metric_history(only.info.run_id, "valid.nll_per_note")
    assert sorted((point.step, point.value) for point in best) == [(step, 9.0 / step) for step in range(10, 121, 10)]
