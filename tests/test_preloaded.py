"""The processes of preloaded.py are what a plain `python` would be."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import environments
import preloaded
import pytest
from conftest import in_project, run
from runs import SHORT, last_states, outcome, record, start, stop, train

pytestmark = pytest.mark.preloaded

# What a script finds when it starts, and when it has imported torch
FACTS = """
import json, logging, os, random, signal, sys, sysconfig
state = lambda: sorted({"torch", "numpy", "hydra", "lightning", "mlflow", "sklearn"} & sys.modules.keys())
first = state()
from importlib.util import find_spec
place = find_spec("torch").origin
asked = state()
import numpy, torch.nn, lightning.pytorch
print(json.dumps({
    "argv": sys.argv, "orig_argv": sys.orig_argv, "prefix": os.path.realpath(sys.prefix),
    "executable": os.path.realpath(os.path.dirname(sys.executable)),
    "path": [os.path.realpath(place) for place in sys.path if os.path.exists(place)],
    "folder": os.getcwd(), "in": sys.stdin.read(),
    "variables": {name: value for name, value in os.environ.items() if name not in ("_", "SHLVL", "OLDPWD")},
    "main": [__name__, __file__, str(__spec__ and __spec__.name)], "imported": [first, asked],
    "open": [len(os.listdir(f"/proc/self/{kind}")) for kind in ("task", "fd")],
    "installed": torch.__file__.startswith(sysconfig.get_paths()["purelib"]),
    "place": [os.path.realpath(each) for each in (place, torch.__file__, torch.__spec__.origin)],
    "torch": [torch.get_num_threads(), torch.__config__.parallel_info(), torch.nn.__spec__.name],
    "loggers": [[name, len(logging.getLogger(name).handlers), logging.getLogger(name).propagate]
                for name in ("lightning", "lightning.fabric", "lightning.pytorch")],
    "seeds": [torch.initial_seed(), random.random(), int(numpy.random.randint(1 << 30))],
    "signals": [str(signal.getsignal(number)) for number in (2, 13, 15, 17)],
}), flush=True)
"""
ENDINGS = {
    "sys.exit(3)": 3,
    "sys.exit('a sentence')": 1,
    "raise ValueError('wrong')": 1,
    "import atexit; atexit.register(print, 'the last word')": 0,
    "import os; os._exit(7)": 7,
    "import os; os.kill(os.getpid(), 9)": -9,
    "import os; os.kill(os.getpid(), 15)": -15,
}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory, environment: Path) -> Path:
    """Return a folder with an environment and a package, to which tests write their scripts."""
    folder = tmp_path_factory.mktemp("scripts")
    (folder / ".venv").symlink_to(environment)
    (folder / "src" / "my_project").mkdir(parents=True)
    (folder / "src" / "my_project" / "__init__.py").touch()
    return folder


def both(command: str, folder: Path) -> tuple[subprocess.CompletedProcess[str], subprocess.CompletedProcess[str]]:
    """Run a command plainly and preloaded, in an environment that a project's own commands make for themselves."""
    given = {"PYTHONPATH": "src", "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    plain = run(command, folder, check=False, plain=True, **given)
    arguments = preloaded.simple(command)
    assert arguments
    process = preloaded.Process(arguments, folder, in_project(folder, **given))
    output, errors = process.communicate()
    return plain, subprocess.CompletedProcess(command, process.wait(), output, errors)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["python train.py a 'b c'", "python -m my_project a 'b c'"])
def test_a_process_starts_as_python_starts_it(scripts: Path, command: str) -> None:
    for name in ("train.py", "src/my_project/__main__.py"):
        (scripts / name).write_text(FACTS)
    plain, forked = both(command, scripts)
    assert plain.returncode == 0, plain.stderr
    expected, facts, again = (json.loads(each.stdout) for each in (plain, forked, both(command, scripts)[1]))
    drawn = [each.pop("seeds") for each in (expected, facts, again)]
    assert facts == again == expected
    assert facts["imported"] == [[], []]
    assert all(len(set(seeds)) == 3 for seeds in zip(*drawn, strict=True)), "a process draws what another has drawn"
    assert forked.stderr == plain.stderr


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_process_ends_as_python_ends_it(scripts: Path, ending: str) -> None:
    (scripts / "train.py").write_text(f"import sys\nprint('begun', flush=True)\n{ending}\n")
    plain, forked = both("python train.py", scripts)
    code = ENDINGS[ending]
    assert forked.returncode == code
    assert plain.returncode % 128 == code % 128 or plain.returncode == 128 - code  # bash tells a signal so
    assert forked.stdout == plain.stdout
    assert forked.stderr.splitlines()[-1:] == plain.stderr.splitlines()[-1:]


@pytest.mark.slow
def test_bits_and_record_are_those_of_a_plain_process(shared_project: Path) -> None:
    plain = shared_project / "outputs" / "plain"
    run(f"python train.py {SHORT} hydra.run.dir=outputs/plain", shared_project, plain=True)
    forked = train(shared_project, SHORT, "forked")
    other = train(shared_project, f"{SHORT} seed=7", "other")
    assert outcome(forked) == outcome(plain)
    assert outcome(other) != outcome(plain)
    states = last_states(shared_project, [plain, forked, other])
    assert states[forked] == states[plain] != states[other]
    for part in ("environment", "code", "data"):
        assert record(forked)[part] == record(plain)[part]


@pytest.mark.slow
def test_a_process_is_killed_by_its_own_number(shared_project: Path) -> None:
    process = start(shared_project, f"{SHORT} training.epochs=100000 hydra.run.dir=outputs/endless")
    assert isinstance(process, preloaded.Process)
    while not (shared_project / "outputs" / "endless" / "metrics.csv").exists():
        assert process.poll() is None
        time.sleep(0.05)
    assert os.getpgid(process.pid) == process.pid
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.1)
    stop(process, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not Path(f"/proc/{process.pid}").exists()
    assert run("python train.py --help", shared_project).returncode == 0  # the others still run


@pytest.mark.slow
def test_each_environment_has_a_server_that_ends_with_who_started_it(
    scripts: Path, full_environment: Path, tmp_path: Path
) -> None:
    """Also when that one is killed."""
    (tmp_path / ".venv").symlink_to(full_environment)
    code = "import sys; print(sys.prefix, __import__('os').getppid())"
    places = [scripts, tmp_path]
    for place in places:
        (place / "train.py").write_text(code)
    program = f"""
import sys, time
from pathlib import Path
import preloaded
for place in map(Path, {[*map(str, places), str(scripts)]}):
    print(preloaded.Process(["train.py"], place, {{}}).communicate()[0], end="", flush=True)
time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True
    ) as tests:
        assert tests.stdout
        lines = [tests.stdout.readline().split() for _ in range(3)]
        tests.kill()
    assert [Path(prefix) for prefix, _ in lines] == [(place / ".venv").resolve() for place in (*places, scripts)]
    first, second, third = (Path("/proc", number) for _, number in lines)
    assert first == third != second
    deadline = time.monotonic() + 60
    while first.exists() or second.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_what_a_shell_starts_is_preloaded_where_that_changes_nothing(scripts: Path) -> None:
    code = "import sys; print(any(type(finder).__name__ == 'Hidden' for finder in sys.meta_path))"
    for name in ("train.py", "other.py", "src/my_project/__main__.py"):
        (scripts / name).write_text(code)
    (scripts / "Makefile").write_text("export PATH := $(CURDIR)/.venv/bin:$(PATH)\nall:\n\tpython train.py\n")
    commands = {
        "python train.py | cat": True,
        "A=1 python train.py": True,
        "python -m my_project": True,
        "make --silent": True,
        # as of a command that has imported torch and lightning
        "TORCHINDUCTOR_CACHE_DIR=/tmp PYTORCH_NVML_BASED_CUDA_CHECK=1 python train.py": True,
        "TORCH_LOGS=all python train.py": False,
        "OMP_NUM_THREADS=2 python train.py": False,
        "python train.py reproducibility=portable": False,
        "python other.py": False,
        f'python -c "{code}"': False,
    }
    said = run("\n".join(commands), scripts).stdout.split()
    assert said == [str(preloaded) for preloaded in commands.values()]
    assert run("make --silent", scripts, plain=True).stdout.strip() == "False"


@pytest.mark.parametrize(
    "command",
    [
        "python train.py | cat",
        "python train.py && true",
        "python train.py 2>&1",
        "A=1 python train.py",
        "python train.py $HOME",
        'python train.py "$HOME"',
        "python train.py a.{b,c}",
        "python train.py\npython train.py",
        "python train.py  # a remark",
        "python -c 'print()'",
        "python prepare.py",
        "python train.py reproducibility=portable",
        "python train.py reproducibility.threads=2",
        "make run",
    ],
)
def test_what_needs_a_shell_or_another_start_gets_it(command: str) -> None:
    assert preloaded.simple(command) is None
    quoted = "python train.py 'a=[b, c]' \"d e\" tracking=[none] ~callbacks.step_trace"
    assert preloaded.simple(quoted) == ["train.py", "a=[b, c]", "d e", "tracking=[none]", "~callbacks.step_trace"]


def test_an_environment_that_is_read_at_the_start_gets_a_start(scripts: Path) -> None:
    assert preloaded.suits(scripts, in_project(scripts, PYTHONPATH="src", API_TOKEN="1"))
    for name in (
        "PYTHONHASHSEED",
        "OMP_NUM_THREADS",
        "MKL_CBWR",
        "PYTORCH_NO_CUDA_MEMORY_CACHING",
        "PATH",
        "LD_PRELOAD",
    ):
        assert not preloaded.suits(scripts, in_project(scripts, **{name: "1"}))
    assert not preloaded.suits(scripts / "src", in_project(scripts / "src"))


def test_an_environment_is_made_without_a_server(scripts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that started while packages come and go would have imported what is removed after it."""
    started: list[Path] = []

    def start(folder: Path) -> Any:
        started.append(folder)
        raise LookupError

    monkeypatch.setattr(preloaded, "wanted", True)
    monkeypatch.setattr(preloaded, "_server", start)
    environments.run("python --version", scripts)
    assert not started
    with pytest.raises(LookupError):
        run("python --version", scripts)
    assert started == [scripts]
