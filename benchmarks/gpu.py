"""What is guaranteed on an accelerator, and what it costs. gpu.sh starts it in the folder of a generated project.

`python gpu.py FASHION_MNIST TABLE.md gpu|cpu MINUTES`: the table is written after each row, so it survives whatever
stops the measurement. No row starts once the time is up; the table says what was left out.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import torch
from by_hand import SETTINGS
from project import PINS, package_of

PRECISIONS = {"gpu": ("32-true", "bf16-mixed", "16-mixed"), "cpu": ("32-true", "bf16-mixed")}
# The overrides of each: the default network, and examples if they were copied into the project.
WORKLOADS = {"cnn": [], "transformer": ["experiment=language_model"], "gan": ["experiment=gan"]}
REPEATS = 20  # of an operation; a different order of additions shows after a few
EPOCHS = 3
# Times a normal training, without its first epoch, which warms up.
TIMED = """
import json, runpy, sys, time
sys.argv[0] = "train.py"
from reproml.models.array_task import ArrayTask
begun, before = [], ArrayTask.on_train_epoch_start
def noted(self):
    begun.append((time.perf_counter(), self.global_step))
    before(self)
ArrayTask.on_train_epoch_start = noted
runpy.run_path("train.py", run_name="__main__")
(first, step), (last, end) = begun[1], begun[-1]
print(json.dumps((last - first) / (end - step)))
"""


class Table:
    """The file that is written."""

    def __init__(self, path: Path, accelerator: str, minutes: float) -> None:
        self.path, self.end, self.lines, self.left_out = path, time.monotonic() + 60 * minutes, [], []
        on_gpu = accelerator == "gpu"
        name = torch.cuda.get_device_name() if on_gpu else f"CPU, {torch.get_num_threads()} threads"
        built = f", CUDA {torch.version.cuda}" if on_gpu else ""
        self.add(f"Measured on: {name}; torch {torch.__version__}{built}; Python {sys.version.split()[0]}")

    def add(self, *lines: str) -> None:
        """Write and print lines."""
        self.lines += lines
        print(*lines, sep="\n", flush=True)
        rest = ["", f"Left out for lack of time: {', '.join(self.left_out)}"] if self.left_out else []
        self.path.write_text("\n".join([*self.lines, *rest, ""]), encoding="utf-8")

    def time_for(self, what: str) -> bool:
        """Whether there is time left; if not, note what is left out."""
        if time.monotonic() < self.end:
            return True
        self.left_out.append(what)
        return False


def call(*command: str, threads: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python with arguments in the project's folder."""
    pins = {**PINS, "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
    if threads is not None:
        pins |= {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    return subprocess.run([sys.executable, *command], env={**os.environ, **pins}, capture_output=True, text=True)


def last_line(result: subprocess.CompletedProcess[str]) -> str:
    """Return the last line that a command printed: its result, or its error."""
    lines = (result.stdout.strip() or result.stderr.strip()).splitlines()
    return lines[-1] if lines else f"exit code {result.returncode}"


def guarantees(table: Table, package: str, usual: list[str], precisions: tuple[str, ...]) -> None:
    """Rehearse each workload in each precision: the same seed twice, another seed, other workers, interruptions."""
    table.add("", "| workload | precision | trainings compared | exact | seconds |", "|---|---|---|---|---|")
    for name, chosen in WORKLOADS.items():
        if chosen and not Path("configs", *chosen[0].split("=")).with_suffix(".yaml").exists():
            table.left_out.append(f"{name}, which is not in this project")
            continue
        for precision in precisions:
            if not table.time_for(f"{name} in {precision}"):
                continue
            started = time.perf_counter()
            result = call("-m", package, "rehearse", *chosen, *usual, f"trainer.precision={precision}", "--json")
            seconds = time.perf_counter() - started
            try:
                trials = json.loads(result.stdout)["trials"]
            except ValueError:
                table.add(f"| {name} | {precision} | - | {last_line(result)} | {seconds:.0f} |")
                continue
            well = sum(trial["status"] in ("exact", "differs, as it must") for trial in trials)
            broken = [f"{trial['name']}: {trial['status']}" for trial in trials if trial["status"] == "not exact"]
            table.add(f"| {name} | {precision} | {len(trials)} | {well} {'; '.join(broken)} | {seconds:.0f} |")


def verified(table: Table, package: str, usual: list[str]) -> None:
    """Train, and rerun it from the record."""
    if not table.time_for("verify"):
        return
    folder = "outputs/verified"
    trained = call("train.py", *usual, "training.epochs=5", f"hydra.run.dir={folder}")
    verdict = last_line(trained) if trained.returncode else last_line(call("-m", package, "verify", folder))
    table.add("", f"verify, cnn on digits: {verdict}")


def costs(table: Table, package: str, usual: list[str], source: str, accelerator: str) -> None:
    """Time a step of both networks in strict, in fast, and in a plain loop over tensors on the device."""
    head = "| network, Fashion-MNIST, batch 128 | strict | fast | by hand | strict / by hand | strict / fast |"
    table.add("", "Milliseconds of a step:", "", head, "|---|---|---|---|---|---|")
    data = [*usual, "experiment=fashion_mnist", f"data.source={source}", f"training.epochs={EPOCHS}"]
    for model in SETTINGS:
        if not table.time_for(f"seconds of a step, {model}"):
            continue
        found = {}
        for mode in ("strict", "fast"):
            shutil.rmtree("outputs/timed", ignore_errors=True)
            chosen = [f"model={model}", f"reproducibility={mode}", "hydra.run.dir=outputs/timed"]
            result = call("-c", TIMED, *data, *chosen, threads=1 if mode == "strict" else None)  # as strict sets it
            if result.returncode:
                table.add(f"| {model} | {last_line(result)} | | | | |")
                return
            found[mode] = json.loads(result.stdout.splitlines()[-1])
        script = str(Path(__file__).with_name("by_hand.py"))
        threads = str(torch.get_num_threads() if accelerator == "gpu" else 1)
        result = call(script, package, model, str(EPOCHS), threads, "cuda" if accelerator == "gpu" else "cpu")
        if result.returncode:
            table.add(f"| {model} | by hand: {last_line(result)} | | | | |")
            return
        measured = json.loads(result.stdout)
        found["hand"] = sum(measured["epochs"][1:]) / (EPOCHS - 1) / measured["steps"]
        milliseconds = " | ".join(f"{1000 * found[name]:.3f}" for name in ("strict", "fast", "hand"))
        ratios = f"{found['strict'] / found['hand']:.2f} | {found['strict'] / found['fast']:.2f}"
        table.add(f"| {model} | {milliseconds} | {ratios} |")


def operations(table: Table, device: str) -> None:
    """Ask which operations strict refuses, and whether the others repeat their bits, forward and backward."""
    indices = torch.randint(0, 64, (4096,), device=device)
    wide, image = torch.randn(4096, 32, device=device), torch.randn(8, 4, 32, 32, device=device)
    functions = {
        "index_add": lambda x: torch.zeros(64, 32, device=device).index_add(0, indices, x),
        "scatter_add": lambda x: torch.zeros(64, 32, device=device).scatter_add(0, indices[:, None].expand(-1, 32), x),
        "scatter_reduce (mean)": lambda x: torch.zeros(64, 32, device=device).scatter_reduce(
            0, indices[:, None].expand(-1, 32), x, "mean"
        ),
        "indexing (gather rows)": lambda x: x[indices],
        "embedding_bag": lambda x: torch.nn.functional.embedding_bag(indices.view(64, 64), x),
        "cumsum": lambda x: x.cumsum(0),
        "cumprod": lambda x: x.cumprod(0),
        "median": lambda x: x.median(0).values,
        "kthvalue": lambda x: x.kthvalue(3, 0).values,
        "upsampling, nearest": lambda x: torch.nn.functional.interpolate(x, scale_factor=2),
        "upsampling, bilinear": lambda x: torch.nn.functional.interpolate(x, scale_factor=2, mode="bilinear"),
        "upsampling, bicubic": lambda x: torch.nn.functional.interpolate(x, scale_factor=2, mode="bicubic"),
        "grid_sample": lambda x: torch.nn.functional.grid_sample(
            x, torch.zeros(8, 32, 32, 2, device=device), align_corners=False
        ),
        "adaptive_avg_pool2d": lambda x: torch.nn.functional.adaptive_avg_pool2d(x, 7),
        "adaptive_max_pool2d": lambda x: torch.nn.functional.adaptive_max_pool2d(x, 7),
        "max_pool2d": lambda x: torch.nn.functional.max_pool2d(x, 2),
        "reflection_pad2d": lambda x: torch.nn.functional.pad(x, (1, 1, 1, 1), "reflect"),
        "replication_pad2d": lambda x: torch.nn.functional.pad(x, (1, 1, 1, 1), "replicate"),
    }
    flat = {name for name in functions if list(functions).index(name) < list(functions).index("upsampling, nearest")}
    rows, kept = [], torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        for name, function in functions.items():
            given, seen = wide if name in flat else image, set()
            try:
                for _ in range(REPEATS):
                    x = given.clone().requires_grad_()
                    y = function(x)
                    (y * y).sum().backward()
                    seen.add((y.detach().cpu().numpy().tobytes(), x.grad.cpu().numpy().tobytes()))
                rows.append(f"| {name} | {'the same bits' if len(seen) == 1 else f'{len(seen)} different results'} |")
            except RuntimeError as error:
                refused = "does not have a deterministic" in str(error)
                rows.append(f"| {name} | {'refused' if refused else str(error).splitlines()[0]} |")
    finally:
        torch.use_deterministic_algorithms(kept)
    table.add(
        "", f"Operations in strict, {REPEATS} times forward and backward:", "", "| operation | |", "|---|---|", *rows
    )


def main() -> None:
    """Measure the most important things first."""
    source, path, accelerator, minutes = sys.argv[1], Path(sys.argv[2]), sys.argv[3], float(sys.argv[4])
    package = package_of(Path())
    usual = ["tracking=none", f"trainer={accelerator}"]
    table = Table(path, accelerator, minutes)
    operations(table, "cuda" if accelerator == "gpu" else "cpu")
    guarantees(table, package, usual, PRECISIONS[accelerator])
    verified(table, package, usual)
    costs(table, package, usual, str(Path(source).resolve()), accelerator)
    table.add()


if __name__ == "__main__":
    main()
