"""A run is made again: its code from the recorded commit and patch, its data from wherever the recorded content is."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ..arrays.raw import uncompressed_digest
from ..config import trust
from ..config.own import is_own
from ..errors import DataError, RecordError
from ..files import file_digest, working_folder
from ..names import PATCH, PIPELINE, RECORD
from ..programs import ProgramError, dvc, waited_for
from ..runs import params, record, source
from ..runs.code import edited
from ..runs.command import command_arguments, quoted
from ..runs.digest_cache import reading_everything
from ..runs.inputs import locate
from ..runs.named import bring, recorded_files
from ..runs.params import PARAMS
from ..runs.pretrained import is_pretrained, pretrained_digest
from ..runs.record import what_changed

_AGAIN = Path("outputs/verification")
_PARTS = ("paths", "callbacks", "trainer", "inputs", "data", "task", "model")  # that write, and what is read
# A job's processes are not those of the command, and a DVC stage that starts the command is not its stage.
_OF_THIS_PROCESS = re.compile(
    r"HYDRA_FULL_ERROR|PYTHONPATH|DVC_.*|SLURM_.*|TORCHELASTIC_.*|(LOCAL_|GROUP_|NODE_)?RANK|(LOCAL_)?WORLD_SIZE"
    r"|MASTER_(ADDR|PORT)"
)
_TRACKING = re.compile(r"[+~]*tracking\b")


@contextmanager
def checked_out(before: dict[str, Any], folder: Path) -> Iterator[Path]:
    """Yield a temporary folder with the recorded code, and say so if a patch changes it."""
    with working_folder(Path(gettempdir()), "reproml-verify-") as temporary:
        project = source.check_out(before["git"], folder / PATCH, temporary / "code")
        if before["git"]["patch_sha256"] != source.EMPTY:
            print(
                f"{folder / PATCH} changes the code of commit {before['git']['commit'][:12]}, and will "
                "run: if somebody else made this run, read the patch first",
                file=sys.stderr,
            )
        yield project


def python_for(project: Path, clean: bool) -> str:
    """Return the Python to train with: this one, or that of a fresh environment made from the recorded lock.

    Raises:
        RecordError: the environment cannot be made.
    """
    if not clean:
        return sys.executable
    result = waited_for(["make", "setup"], cwd=project, env=outer_environment())
    if result.returncode:
        raise RecordError(f"make setup failed in the checked-out project: {last_line(result.stderr)}")
    return str(project / ".venv" / "bin" / "python")


@reading_everything()
def train_again(before: dict[str, Any], project: Path, python: str, *more: str) -> Path:
    """Train in the checked-out project as recorded, untracked, and return the folder of the new run.

    Raises:
        ConfigError: the recorded command asks for a class that this project does not know, or an input is not there.
        RecordError: an input changed, the run would write outside of the project, or the training fails.
    """
    fixed = before["command"]["config"] == PIPELINE  # its run folder is in params.yaml
    again = Path(before["config"]["paths"]["run"]) if fixed else _AGAIN
    _refuse_outside({"paths.run": str(again)}, project)
    shutil.rmtree(project / again, ignore_errors=True)  # before inputs are put there: models/ can hold some
    arguments = [item for item in command_arguments(before, again) if not _TRACKING.match(item)]
    inputs = locate(before, project)
    arguments += [f"++inputs.{name}={quoted(path)}" for name, path in inputs.items()]
    arguments += [*_places(before, project), *_processes(before), "tracking=[none]", "resume=null", *more]
    config = _composed(arguments, project)
    if other := sorted(set(config.pop("inputs", {}).items()) ^ set(inputs.items())):
        raise RecordError(f"the recorded command reads another input {other[0][0]} than the one in the record")
    places = {key: place for key, place in trust.written(config).items() if key != "paths.raw"}  # which is only read
    _refuse_outside({**places, "hydra.run.dir": "logs"}, project)
    again = Path(config["paths"]["run"])
    print(f"training again at commit {before['git']['commit'][:12]}; recorded: {_seconds(before)}", file=sys.stderr)
    command = [python, before["command"]["script"], *arguments]
    result = waited_for(command, cwd=project, env=outer_environment())
    if result.returncode:
        reasons = [f"the training failed: {last_line(result.stderr)}", *left_out(before)]
        if (project / again / RECORD).exists():
            reasons += [str(change) for change in what_changed(before, record.read(project / again))]
        raise RecordError("; ".join(reasons))
    return project / again


def _composed(arguments: list[str], project: Path) -> dict[str, Any]:
    """Return what writes and what is read, as a command configures it in a checkout, after checking its classes.

    Raises:
        ConfigError: it names a class that the project does not know, or points one at a place outside of it.
        RecordError: the arguments do not fit the files in configs/.
    """
    _, name, *overrides = arguments
    try:
        # params.yaml is found by a relative path
        with chdir(project), initialize_config_dir(str((project / "configs").resolve()), version_base="1.3"):
            config = compose(name, overrides)
        trust.check_names(OmegaConf.to_container(config), Path(RECORD), project)
        composed: Any = {key: OmegaConf.to_container(config[key], resolve=True) for key in _PARTS if key in config}
    except (HydraException, OmegaConfBaseException) as error:
        raise RecordError(f"the recorded command does not fit configs/: {str(error).splitlines()[0]}") from error
    trust.check_arguments(composed, Path(RECORD))
    return composed


def _refuse_outside(places: dict[str, str], project: Path) -> None:
    """Refuse to write through an absolute path, `..` or a link: the commit or the patch can hold one.

    Raises:
        RecordError: a place is not inside the checkout.
    """
    root = next(folder for folder in (project, *project.parents) if (folder / ".git").exists()).resolve()
    for key, value in places.items():
        if not (project / value).resolve().is_relative_to(root) or (project / value).resolve() == root:
            raise RecordError(f"{key}={value} is outside of the project, and a verification does not write there")


def left_out(before: dict[str, Any]) -> list[str]:
    """Return what the run may have used and the record does not hold."""
    files = before["git"]["left_out"] if before["git"] else []
    lines = [f"{item['path']} is not in the record, because it is {item['reason']}" for item in files]
    return lines + [
        f"{name} was edited while the run trained: the version from its start is used" for name in edited(before)
    ]


def _processes(before: dict[str, Any]) -> list[str]:
    """Return the arguments that start as many processes here as there were on several nodes: they share it alike."""
    devices, nodes = before["config"]["trainer"]["devices"], before["config"]["trainer"]["num_nodes"]
    several = isinstance(devices, int) and isinstance(nodes, int) and nodes > 1
    return [f"trainer.devices={devices * nodes}", "trainer.num_nodes=1"] if several else []


def _places(before: dict[str, Any], project: Path) -> list[str]:
    """Return the arguments that say where the recorded data and the run that was built on are."""
    if is_own(before["config"]):
        bring(recorded_files(before["data"], before["config"]), project)
        return _restored(before)
    return [*_raw(before, project), *_restored(before)]


def _raw(before: dict[str, Any], project: Path) -> list[str]:
    """Return the arguments that say where the raw files of prepared arrays are."""
    raw, data_source = before["config"]["paths"]["raw"], before["config"]["data"]["source"]
    arguments = [f"paths.processed={quoted(project / 'data' / 'processed' / before['data']['name'])}"]
    wrong = [name for name, digest in before["data"]["raw"].items() if not _is_there(Path(raw) / name, digest)]
    if not wrong:
        arguments.append(f"paths.raw={quoted(Path(raw).resolve())}")
    else:
        print(f"{', '.join(wrong)} in {raw} is missing or not the recorded one: fetching it", file=sys.stderr)
        if Path(raw).is_absolute() or ".." in Path(raw).parts:
            raw = f"data/raw/{before['data']['name']}"
        kept = _kept_by_dvc(project, raw)
        _refuse_outside(
            {"paths.raw": raw, f"{PARAMS}: paths.raw": kept, ".dvc/config.local": ".dvc/config.local"}, project
        )
        with suppress(ProgramError):  # what DVC does not have either, the training fetches from its source
            _pull(kept, project)
        pulled = all(_is_there(project / kept / name, digest) for name, digest in before["data"]["raw"].items())
        arguments.append(f"paths.raw={quoted(kept if pulled else raw)}")
    if not Path(data_source).is_absolute() and any(
        _is_there(Path(data_source) / name, digest) for name, digest in before["data"]["raw"].items()
    ):
        arguments.append(f"data.source={quoted(Path(data_source).resolve())}")
    return arguments


def _kept_by_dvc(project: Path, raw: str) -> str:
    """Return the folder in which the pipeline of a checkout keeps its raw data, or `raw` where it does not say."""
    path = project / PARAMS
    found = params.values(path.read_text(encoding="utf-8")) if path.exists() else {}
    paths = found.get("paths")
    return str(paths["raw"]) if isinstance(paths, dict) and "raw" in paths else raw


def _restored(before: dict[str, Any]) -> list[str]:
    """Return the argument that says where the run, or the pretrained weights, are that were built on."""
    if (restored := before["restored"]) is None:
        return []
    earlier = Path(restored["run"])
    file = earlier / (restored["file"] or "")
    with suppress(DataError, OSError):
        digest = file_digest(file) if restored["file"] or not is_pretrained(file) else pretrained_digest(file)
        if digest == restored["sha256"]:
            return [f"restore.run={quoted(earlier.resolve())}"]
    raise RecordError(f"{file}, which the run was built on, is missing or not the one in the record")


def _is_there(path: Path, digest: str) -> bool:
    try:
        return uncompressed_digest(path) == digest
    except (OSError, DataError):
        return False


def _pull(raw: str, project: Path) -> None:
    """Fetch the raw files of the recorded commit with DVC, through this project's cache and remote.

    Raises:
        ProgramError: DVC is not set up here, or has no such files.
    """
    if not (project / "dvc.lock").exists():
        return
    for name in ("config", "config.local"):
        if Path(".dvc", name).exists() and not (project / ".dvc" / name).exists():
            shutil.copy(Path(".dvc", name), project / ".dvc" / name)
    remotes = [line.split("\t") for line in dvc(Path(), "remote", "list").splitlines() if "\t" in line]
    for name, address, *_ in remotes:
        place = address.removesuffix("(default)").strip()
        place = place if "://" in place else str(Path(place).resolve())
        dvc(project, "remote", "modify", "--local", name, "url", place)
    dvc(project, "cache", "dir", "--local", str(Path(".dvc/cache").resolve()))
    dvc(project, "pull", "--", raw)


def outer_environment() -> dict[str, str]:
    """Return the environment without what this process added, and without the way to this folder's own code."""
    own = {"src", str(Path("src").resolve())}
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path not in own]
    outer = {name: value for name, value in os.environ.items() if not _OF_THIS_PROCESS.fullmatch(name)}
    return {**outer, "PYTHONPATH": os.pathsep.join(paths)} if paths else outer


def _seconds(before: dict[str, Any]) -> str:
    return f"{sum(session['seconds'] or 0 for session in before['sessions']):.0f} s"


def last_line(text: str) -> str:
    """Return the last line that a command printed; what make says of the command comes behind it."""
    lines = [line for line in text.strip().splitlines() if not re.match(r"make(\[\d+\])?: ", line)]
    return (lines or ["it printed nothing"])[-1]
