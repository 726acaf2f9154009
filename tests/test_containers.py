"""The images and services of a generated project, really built and run."""

import functools
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import THIS_PYTHON, Render, code_blocks, metrics, run, twice
from engine import DOCKER, REGISTRY, build_base, engine, unavailable
from indexes import POETRY_SOURCE, PUBLIC, torch_index
from loopback import free_port, until
from runs import SHORT, outcome, record, train

pytestmark = pytest.mark.slow

wait_for = functools.partial(until, seconds=120, every=0.5)  # the engine is asked by a process each time
USER = 10001
WRITABLE = ("data", "models", "reports", "outputs")
MOUNTS = " ".join(f"--volume $PWD/{name}:/project/{name}" for name in WRITABLE)
RUN = f"{DOCKER} run --rm --init --network none --read-only --tmpfs /tmp --tmpfs /project/logs {MOUNTS}"

PLANTED = [
    *(".env", ".env.local", ".dvc/config.local", ".dvc/cache/aa/bb", "id_rsa", "server.pem", "token.txt", "mlflow.db"),
    *("data/raw/patients.csv", "models/model.safetensors", "outputs/a/checkpoints/last.ckpt", "mlruns/0/meta.yaml"),
    *("notebooks/private.ipynb", ".venv/bin/python", "src/.env", "src/my_project/.env.production", "configs/.env"),
    *("src/my_project/serving.key", "src/my_project/id_ed25519", "configs/gcs-credentials.json"),
    *("src/my_project/prod.env", "configs/secrets.yaml", "src/my_project/store.jks", "notebooks/credentials.py"),
    *("src/my_project/__pycache__/files.cpython-311.pyc", "src/my_project/.ipynb_checkpoints/a.py"),
    *("configs/paths/.secret.yaml", "src/my_project/my.egg-info/PKG-INFO"),
]


@dataclass
class Workshop:
    """A project, its images, and how to reach the engine that holds them."""

    project: Path
    variables: dict[str, str]

    def call(self, command: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project's folder, with the engine."""
        return run(command, self.project, check, **{**self.variables, **environment})

    def inside(self, command: str, options: str = "") -> str:
        """Run a command in a container whose root is read-only, with the project's folders mounted."""
        return self.call(f"{RUN} {options} my-project:training {command}").stdout

    def inspect(self, template: str, name: str) -> Any:
        """Return what the engine says about an image or a container."""
        return json.loads(self.call(f"{DOCKER} inspect --format '{{{{json {template}}}}}' {name}").stdout)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address that stands for PyTorch's own index, the same for all builds."""
    with torch_index(tmp_path_factory.mktemp("index")) as address:
        yield address


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory, index: str) -> Iterator[dict[str, str]]:
    """Return the variables that lead `docker` and the make verbs to an engine that has the base image."""
    if reason := unavailable():
        pytest.skip(reason)
    with engine(tmp_path_factory.mktemp("engine")) as found:
        # there is no bridge, so builds use the network of this machine
        options = f"--network=host --progress=plain --build-arg TORCH_INDEX={index}"
        yield {**found, "IMAGE_OPTIONS": options, "RUN_AS": f"{USER}:{USER}"}


@pytest.fixture(scope="module")
def workshop(shared_project: Path, variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Return the project with the defaults and its images, built by the verb that the README names."""
    build_base(base_of(shared_project), tmp_path_factory.mktemp("base"), variables)
    workshop = Workshop(shared_project, variables)
    for name in WRITABLE:
        give_away(shared_project / name)
    started = time.perf_counter()
    workshop.call("make image")
    size = workshop.inspect(".Size", "my-project:api")
    print(f"built from nothing in {time.perf_counter() - started:.0f} s, {size / 1e9:.2f} GB")
    return workshop


@pytest.fixture(scope="module")
def outside(workshop: Workshop) -> Path:
    """Return the short training outside of any container."""
    return train(workshop.project, SHORT, "outside")


def base_of(project: Path) -> str:
    """Return the name behind the first FROM."""
    found = re.search(r"^ARG BASE=(\S+)$", (project / "Dockerfile").read_text(), re.MULTILINE)
    assert found
    return found[1]


def give_away(folder: Path) -> None:
    """Make the user of the images the owner of a folder."""
    folder.mkdir(exist_ok=True)
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, USER, USER)


def commit_of(project: Path) -> str:
    return run("git rev-parse HEAD", project).stdout.strip()


def test_a_container_trains_to_the_same_bits(workshop: Workshop, outside: Path) -> None:
    """As the user of the image, without a network; the record is verified outside, from the commit it names."""
    project = workshop.project
    for name, more in (("inside", ""), ("other", "seed=1")):
        workshop.inside(f"python train.py {SHORT} {more} hydra.run.dir=outputs/{name}")
    inside, other = project / "outputs/inside", project / "outputs/other"
    assert (inside / "run.json").stat().st_uid == USER
    assert outcome(inside) == outcome(outside)
    assert record(inside)["weights_sha256"] == record(outside)["weights_sha256"] != record(other)["weights_sha256"]
    assert record(inside)["code"] == record(outside)["code"]
    assert record(inside)["locks"] == record(outside)["locks"]
    assert record(inside)["git"]["commit"] == commit_of(project)
    verified = workshop.call("python -m my_project verify outputs/inside", PYTHONPATH="src").stdout
    assert verified.splitlines()[-1].startswith("reproduced bit for bit")

    workshop.inside("python evaluate.py run=outputs/inside output=reports/inside")
    for name in ("metrics.json", "predictions.csv"):
        assert (project / "reports/inside" / name).read_bytes() == (outside / "test" / name).read_bytes()
        assert (project / "reports/inside" / name).read_bytes() != (other / "test" / name).read_bytes()


def test_the_image_says_what_it_is(workshop: Workshop) -> None:
    labels = workshop.inspect(".Config.Labels", "my-project:training")
    said = {name.removeprefix("org.opencontainers.image."): value for name, value in labels.items()}
    assert said["revision"] == commit_of(workshop.project)
    assert said["version"] == "0.1.0"
    assert said["title"] == "My Project"
    assert said["licenses"] == "MIT"
    assert workshop.inspect(".Config.User", "my-project:api") == str(USER)
    assert workshop.inspect(".Config.Healthcheck", "my-project:training") is None  # a training answers nothing
    assert workshop.inspect(".Config.Healthcheck.Test", "my-project:api")[0] == "CMD"


def said_by_make(project: Path, name: str) -> str:
    """Return what `make image` would tell the engine in a variable."""
    printer = project / "printer"
    printer.write_text(f"#!/bin/sh\necho ${name}\n")
    printer.chmod(0o755)
    [text] = set(run("make --silent image DOCKER=./printer", project).stdout.splitlines())
    return text


def test_the_address_of_the_code_holds_no_password(render: Render) -> None:
    project = render()
    run("git init --quiet && git remote add origin https://user:token-12345@example.com/team/project.git", project)
    assert said_by_make(project, "SOURCE") == "https://example.com/team/project.git"


def test_an_image_is_that_of_the_commit_unless_its_own_files_differ(project: Path) -> None:
    commit = commit_of(project)
    run(
        "mkdir reports/new && touch reports/new/metrics.json notebooks/new.ipynb && echo >> tests/test_data.py", project
    )
    assert said_by_make(project, "REVISION") == commit
    changes = (
        "echo >> src/reproml/recipe.py",
        "touch new.py",
        "rm train.py",
        "touch configs/new.yaml",
        "echo >> Dockerfile",
    )
    for change in changes:
        run(change, project)
        assert said_by_make(project, "REVISION") == f"{commit}-dirty", change
        run("git checkout --quiet . && rm --force new.py configs/new.yaml", project)
    assert said_by_make(project, "REVISION") == commit


@pytest.mark.parametrize("user", [USER, 4321])
def test_nothing_but_results_can_be_written(workshop: Workshop, user: int) -> None:
    """By the user of the image, and by any other that `--user` names; and here the root is not even read-only."""
    packages = "/opt/venv/lib/python3.11/site-packages"
    places = f"/opt/venv {packages}/my_project {packages}/reproml /project /project/configs /etc"
    command = (
        f"for place in {' '.join(WRITABLE)} logs {places}; do touch $place/new 2>/dev/null && echo $place; done; id -u"
    )
    written = workshop.call(f"{DOCKER} run --rm --user {user} my-project:training sh -c '{command}'").stdout.split()
    assert written == [*WRITABLE, "logs", str(user)]


def test_what_reaches_the_builder(workshop: Workshop, tmp_path: Path) -> None:
    """Whatever lies in the folder, the context holds only what the Dockerfile copies."""
    clone = tmp_path / "clone"
    run(f"git clone --quiet '{workshop.project}' '{clone}'", tmp_path)
    expected = {name for name in run("git ls-files", clone).stdout.split() if name.startswith(("src/", "configs/"))}
    expected |= {path.name for path in clone.glob("*.py")} | {"requirements.txt", "requirements-dev.txt", "params.yaml"}
    expected |= {"pyproject.toml", "README.md", "LICENSE"}
    for name in [*PLANTED, "src/my_project/new.py"]:  # and this one belongs there
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_text("secret")
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(f"FROM {base_of(clone)}\nCOPY . /context\n")
    run(f"{DOCKER} build --quiet --tag context --file '{dockerfile}' '{clone}'", clone, **workshop.variables)
    command = f"{DOCKER} run --rm --network none context find /context -type f -printf '%P\\n'"
    found = set(run(command, clone, **workshop.variables).stdout.split())
    assert found == expected | {"src/my_project/new.py"}

    held = workshop.call(f"{DOCKER} run --rm my-project:api find /project /opt/venv -name .git -o -name '.env*'").stdout
    assert held == ""


def test_a_change_of_code_is_built_in_seconds(workshop: Workshop) -> None:
    """The packages are not installed again; and a run of this image does not claim to be that of a commit."""
    changed = workshop.project / "src" / "reproml" / "files.py"
    before = changed.read_text()
    changed.write_text(before + "\nCHANGED = True\n")
    try:
        started = time.perf_counter()
        built = workshop.call("make image")
        seconds = time.perf_counter() - started
        said = workshop.inside("python -c 'from reproml.files import CHANGED; print(CHANGED)'")
        git = workshop.inside("python -c 'from reproml.runs import snapshot; print(snapshot.describe()[0])'").strip()
        label = workshop.inspect(".Config.Labels", "my-project:api")["org.opencontainers.image.revision"]
    finally:
        changed.write_text(before)
        workshop.call("make image")
    # two builds, for which the engine numbers the steps again; a step from the cache is never said to be done
    ran = set()
    for output in re.split(r"^#0 building", built.stdout + built.stderr, flags=re.M):
        steps = dict(re.findall(r"^(#\d+) \[((?:dependencies|project|runtime|api) .*)$", output, re.M))
        ran |= {steps[number] for number in re.findall(r"^(#\d+) DONE", output, re.M) if number in steps}
    assert not [step for step in ran if step.startswith("dependencies") and "] FROM " not in step]
    ran = {step.partition("] ")[2].split(" /")[0] for step in ran}
    assert "COPY src/ src/" in ran
    assert said.strip() == "True"
    assert git == "None"
    assert label == f"{commit_of(workshop.project)}-dirty"
    print(f"a change of code was built in {seconds:.1f} s")
    assert seconds < 30


def test_the_base_is_pinned_by_digest(workshop: Workshop, tmp_path: Path) -> None:
    """With a registry on this machine: the digest is written, and the build takes the image that has it."""
    port, base = free_port(), base_of(workshop.project)
    settings = tmp_path / "registry.yml"
    storage = {"filesystem": {"rootdirectory": str(tmp_path / "images")}}
    settings.write_text(json.dumps({"version": 0.1, "storage": storage, "http": {"addr": f"127.0.0.1:{port}"}}))
    clone = tmp_path / "clone"
    run(f"git clone --quiet '{workshop.project}' '{clone}'", tmp_path)
    elsewhere = f"127.0.0.1:{port}/{base}"
    registry = subprocess.Popen([REGISTRY, "serve", settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: answer(port, "/v2/")[0] == 200)
        workshop.call(f"{DOCKER} tag {base} {elsewhere} && {DOCKER} push --quiet {elsewhere}")
        [pushed] = workshop.inspect(".RepoDigests", elsewhere)
        digest = pushed.partition("@")[2]
        for _ in range(2):  # a digest that is there already is replaced
            run(f"make pin-base BASE={elsewhere}", clone, **workshop.variables)
            assert base_of(clone) == f"{elsewhere}@{digest}"
        build = f"{DOCKER} build --network=host --target project ."
        run(build, clone, **workshop.variables)
        dockerfile = clone / "Dockerfile"
        dockerfile.write_text(dockerfile.read_text().replace(digest, "sha256:" + "0" * 64))
        assert "not found" in run(build, clone, check=False, **workshop.variables).stderr
        dockerfile.write_text(dockerfile.read_text().replace(":3.", ":2."))
        unchanged = dockerfile.read_text()
        refused = run("make pin-base", clone, check=False, **workshop.variables)
        assert refused.returncode != 0
        assert dockerfile.read_text() == unchanged
    finally:
        registry.terminate()
        registry.wait()


def test_compose(workshop: Workshop) -> None:
    """The API waits, the training logs its run to the MLflow server, and the API serves its model."""
    project = workshop.project
    ports = {"API_PORT": str(free_port()), "MLFLOW_PORT": str(free_port())}
    api, tracker = int(ports["API_PORT"]), int(ports["MLFLOW_PORT"])
    try:
        workshop.call("docker-compose up --detach api", **ports)
        wait_for(lambda: answer(api, "/health") == (503, {"status": "waiting"}))
        workshop.call("make up", **ports)
        training = workshop.call("docker-compose ps --quiet training", **ports).stdout.strip()
        assert workshop.call(f"{DOCKER} wait {training}").stdout.strip() == "0"
        wait_for(lambda: answer(api, "/health")[0] == 200)
        container = workshop.call("docker-compose ps --quiet api", **ports).stdout.strip()
        wait_for(lambda: workshop.inspect(".State.Health.Status", container) == "healthy")

        trained = record(project / "models")
        assert trained["git"]["commit"] == commit_of(project)
        assert answer(api, "/model")[1]["weights_sha256"] == trained["weights_sha256"]
        examples = answer(api, "/examples")[1]["examples"]
        asked = {"inputs": [example["inputs"] for example in examples]}
        predictions = answer(api, "/predict", asked)[1]["predictions"]
        right = [p["predicted"] == example["actual"] for p, example in zip(predictions, examples, strict=True)]
        assert sum(right) >= 9  # of ten, one of each class

        search = {"experiment_ids": ["1"]}
        [logged] = answer(tracker, "/api/2.0/mlflow/runs/search", search)[1]["runs"]
        assert logged["info"]["status"] == "FINISHED"
        values = {metric["key"]: metric["value"] for metric in logged["data"]["metrics"]}
        assert values["test/accuracy"] == trained["metrics"]["accuracy"] == metrics(project / "models/test")["accuracy"]
        [noted] = json.loads((project / "models/tracking.json").read_text()).values()
        assert noted == {"mlflow": logged["info"]["run_id"]}
        assert answer(tracker, "/api/2.0/mlflow/runs/search", search, host="attacker.example")[0] == 403

        evaluation = "python evaluate.py run=models output=reports/compose"
        workshop.call(f"docker-compose run --rm training {evaluation}", **ports)
        assert metrics(project / "reports/compose") == trained["metrics"]

        started = time.perf_counter()
        workshop.call("docker-compose stop --timeout 30 api", **ports)
        assert time.perf_counter() - started < 10
        assert workshop.inspect(".State.ExitCode", container) == 0
    finally:
        logs = workshop.call("docker-compose logs --no-color", check=False, **ports).stdout
        workshop.call("make down", **ports)
        print(logs[-5000:])
    assert "my-project_mlflow" in workshop.call(f"{DOCKER} volume ls --quiet").stdout.split()  # the runs stay


def test_the_commands_of_the_readme(workshop: Workshop, tmp_path: Path) -> None:
    """As printed, but that this engine has no network of its own; Compose has a test of its own."""
    clone = tmp_path / "clone"
    run(f"git clone --quiet '{workshop.project}' '{clone}'", tmp_path)
    [block] = [text for text in code_blocks((clone / "README.md").read_text()) if "make image" in text]
    assert block.endswith("\nmake down\n")
    commands = re.sub(r"^make (up|down).*\n", "", block, flags=re.MULTILINE)
    assert commands.count("docker run ") == 2
    run(commands.replace("docker run ", f"{DOCKER} run --network none "), clone, **workshop.variables)
    assert metrics(clone / "reports") == record(clone / "models")["metrics"]
    assert metrics(clone / "reports")["accuracy"] >= 0.975


@pytest.mark.parametrize(("manager", "lock"), [("uv", "uv.lock"), ("poetry", "poetry.lock")])
def test_other_managers(workshop: Workshop, outside: Path, render: Render, index: str, manager: str, lock: str) -> None:
    """The image that another manager installs trains to the same bits."""
    project = render(environment_manager=manager, python_version=THIS_PYTHON)
    pyproject = project / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace(PUBLIC, index) + (POETRY_SOURCE if manager == "poetry" else ""))
    other = Workshop(project, {**workshop.variables, "IMAGE_OPTIONS": "--network=host --quiet"})
    missing = other.call("make image", check=False)
    assert missing.stderr.startswith(f"error: {lock} is missing")
    locked = f"rm -f {lock} && {Path(sys.executable).with_name(manager)} lock --quiet"
    twice(f"{locked} && make image IMAGE=with-{manager}", project, **other.variables)
    (project / "outputs").mkdir()
    give_away(project / "outputs")
    place = f"--volume {project}/outputs:/project/outputs --network none"
    command = f"python train.py {SHORT} hydra.run.dir=outputs/inside"
    other.call(f"{DOCKER} run --rm {place} with-{manager}:training {command}")
    assert outcome(project / "outputs/inside") == outcome(outside)
    assert record(project / "outputs/inside")["locks"].keys() == {lock}


def test_without_an_engine(render: Render) -> None:
    project = render()
    for verb in ("image", "pin-base", "up", "down", "scan", "image-sbom"):
        refused = run(f"make {verb} DOCKER=no-such-engine", project, check=False)
        assert refused.returncode != 0
        assert refused.stderr.startswith("error: no-such-engine is not installed")


def answer(port: int, path: str, body: Any = None, host: str = "localhost") -> tuple[int, Any]:
    """Return status and content of an answer; 0 where nothing listens."""
    headers = {"Content-Type": "application/json", "Host": host if host != "localhost" else f"localhost:{port}"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.loads(response.read() or "null")
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text.startswith(b"{") else text
    except OSError:
        return 0, None
