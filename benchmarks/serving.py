"""Show what HTTP costs: requests per second and latencies of the server under load, against the plain model call.

Run it with a generated project's environment, after a training: `.venv/bin/python benchmarks/serving.py PROJECT RUN`.
It needs the load generator wrk (Debian's package). Both sides are measured in turn, in the same minute, and the
medians over the rounds are shown. Server, load generator and this process share the machine's cores.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROUNDS, SECONDS = 3, 3
LOADS = [(1, 1), (1, 8), (1, 32), (64, 1), (64, 8)]  # examples per request, concurrent clients
SCRIPT = 'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nwrk.body = [==[{}]==]\n'
SCALE = {"us": 0.001, "ms": 1.0, "s": 1000.0}  # to milliseconds


def plain(predictor: Any, inputs: list[Any]) -> float:
    """Return how many times a second this process can call the model, with numbers as from JSON."""
    calls, end = 0, time.perf_counter() + SECONDS / 3
    while time.perf_counter() < end:
        predictor.predict(inputs)
        calls += 1
    return calls / (SECONDS / 3)


def load(address: str, inputs: list[Any], clients: int) -> tuple[float, float, float]:
    """Return requests per second, and the median and the 99th percentile of the latency in milliseconds."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT.format(json.dumps({"inputs": inputs})))
        script.flush()
        command = ["wrk", "-t1", f"-c{clients}", f"-d{SECONDS}s", "--latency", "-s", script.name, f"{address}/predict"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in said, said
    assert "Socket errors" not in said, said
    rate = re.search(r"Requests/sec: +([\d.]+)", said)
    times = [re.search(rf"{percent}% +([\d.]+)(us|ms|s)", said) for percent in (50, 99)]
    assert rate and all(times), said
    return float(rate[1]), *(float(found[1]) * SCALE[found[2]] for found in times if found)  # type: ignore[return-value]


def main() -> None:
    """Print one line for each kind of load."""
    project, run = Path(sys.argv[1]).resolve(), sys.argv[2]
    os.chdir(project)
    sys.path.insert(0, "src")
    predictor_module = __import__("reproml.serving.predictor", fromlist=["Predictor"])
    examples_module = __import__("reproml.serving.examples", fromlist=["show"])
    predictor = predictor_module.Predictor(Path(run))
    examples = [example["inputs"] for example in examples_module.show(predictor)]
    command = [sys.executable, "-m", "reproml", "serve", "--run", run, "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": "src"}
    server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout
        address = server.stdout.readline().split()[-1]
        load(address, examples[:1], 1)  # warm
        print("examples  clients  requests/s  median ms  p99 ms  model calls/s  share of the model call")
        for size, clients in LOADS:
            inputs = (examples * size)[:size]
            rounds = [(plain(predictor, inputs), *load(address, inputs, clients)) for _ in range(ROUNDS)]
            calls, rate, median, slowest = (statistics.median(column) for column in zip(*rounds, strict=True))
            share = statistics.median(requests / called for called, requests, *_ in rounds)
            print(
                f"{size:8} {clients:8} {rate:11.0f} {median:10.1f} {slowest:7.1f} {calls:14.0f} {100 * share:22.0f} %"
            )
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
