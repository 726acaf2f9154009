"""What is refused before Hydra writes anything: runs with wrong settings, and keys of Hydra that no record keeps."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from ..errors import ConfigError
from ..packages import own_packages
from .arguments import read, refuse_no_choice, written
from .composing import chosen, composing, refuse_empty
from .own import refuse_unused

Check = Callable[[DictConfig], object]
Place = Callable[[Path], object]

_OPTIONS = ("config_dir", "config_path", "experimental_rerun")  # on the command line, they lead to other configurations
# Keys of `hydra` that may be given on the command line, because they change no result. The record keeps only the other
# keys of a command line, and a run is resumed and verified from the record.
_UNRECORDED = re.compile(
    r"(run|sweep|mode|launcher|sweeper|verbose|output_subdir|(job|hydra)_logging|(hydra_)?help|job\.(name|chdir))(\..*)?"
)
_CODE = ("src", "configs")  # what these folders hold is what a run executes
_SWEEPER = f"{BasicSweeper.__module__}.{BasicSweeper.__name__}"
_LAUNCHER = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"  # starts the runs in this process


def preflight(
    arguments: Sequence[str], config: str, script: str, check: Check, here: Check | None, place: Place | None = None
) -> int:
    """Check every run that the command line asks for, unless it only asks to show something.

    Return how many configurations were checked: of a sweep, the first and those that differ from it in one key.

    Args:
        arguments: of the command.
        config: name of the configuration, unless the arguments name another.
        script: name of the script, without `.py`.
        check: refuses a configuration that is wrong anywhere.
        here: if given, used instead of `check` to refuse also what cannot run in this process. If a launcher starts
            runs elsewhere, those processes find out themselves.
        place: if given, refuses the folder that a run would be written into. A resumed run has its folder already.

    Raises:
        ConfigError: a run would be refused, or its record would not hold what it was run with.
    """
    given = read(arguments)
    options = given.options
    if options.help or options.hydra_help or options.cfg or options.info or options.shell_completion:
        return 0
    for name in _OPTIONS:
        if value := getattr(options, name):
            raise ConfigError(
                f"--{name.replace('_', '-')} {value} is not kept in the record of a run, so the run could not be "
                "resumed or verified: put the file into configs/"
            )
    refuse_no_choice(given.overrides)
    checked = 0
    with composing(script=script):
        refuse_empty(Path("configs", f"{options.config_name or config}.yaml"))
        for cfg in _runs(options.config_name or config, options.overrides, options.multirun, place or Path):
            elsewhere = cfg.hydra.launcher._target_ != _LAUNCHER
            refuse_unused(cfg, [str(item.key_or_group) for item in written(cfg.hydra.overrides.task)])
            with read_write(cfg), open_dict(cfg):
                del cfg["hydra"]
            (check if elsewhere else here or check)(cfg)
            checked += 1
    return checked


def _runs(config: str, overrides: list[str], multirun: bool, place: Place) -> Iterator[DictConfig]:
    """Yield the configuration of each run. For a sweep: the first, and those that differ from it in one key."""
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    if not multirun and hydra.get_mode(config, overrides) != RunMode.MULTIRUN:
        cfg = hydra.compose_config(config, overrides, RunMode.RUN)
        _check_hydra(cfg.hydra, cfg.hydra.run.dir)
        _check_choices(cfg.hydra)
        if cfg.get("resume") is None:
            place(Path(cfg.hydra.run.dir))
        yield cfg
        return
    master = hydra.compose_config(config, overrides, RunMode.MULTIRUN)
    _check_hydra(master.hydra, master.hydra.sweep.dir)
    _check_choices(master.hydra)
    if master.hydra.sweeper._target_ != _SWEEPER:
        return  # only the sweeper knows what it will try
    params = [f"{key}={value}" for key, value in (master.hydra.sweeper.params or {}).items()]
    parser = OverridesParser.create(config_loader=hydra.config_loader)
    [runs] = BasicSweeper.split_arguments(parser.parse_overrides([*params, *master.hydra.overrides.task]), None)
    subdir = OmegaConf.to_container(master.hydra.sweep)["subdir"]  # type: ignore[call-overload, index]
    if len(runs) > 1 and "${" not in str(subdir):
        raise ConfigError(
            f"hydra.sweep.subdir={subdir} is one folder for {len(runs)} runs, but a folder holds one: "
            "leave it out, or put ${hydra.job.num} into it"
        )
    folder = Path(master.hydra.sweep.dir)
    place(folder)
    there = folder.exists()  # then each run may find another in its folder
    for number, run in enumerate(runs):
        differs = sum(ours != first for ours, first in zip(run, runs[0], strict=True))
        if differs > 1 and not there:
            continue
        cfg = hydra.config_loader.load_sweep_config(master, run)
        with read_write(cfg.hydra), open_dict(cfg.hydra):
            cfg.hydra.job.num, cfg.hydra.job.id = number, str(number)
        if cfg.get("resume") is None:
            place(folder / str(cfg.hydra.sweep.subdir))
        if differs <= 1:
            _check_choices(cfg.hydra)
            yield cfg


def _check_hydra(hydra: DictConfig, folder: str) -> None:
    """Check Hydra's own keys; `folder` is where the run, or the sweep, is to be written."""
    for override in written(hydra.overrides.hydra):
        key = str(override.key_or_group).replace("/", ".")
        if not _UNRECORDED.fullmatch(key.removeprefix("hydra.")):
            raise ConfigError(
                f"{override.input_line} is not kept in the record of a run, so the run could not be resumed or "
                "verified: write it into configs/config.yaml, under hydra"
            )
    if hydra.job.chdir:
        raise ConfigError(
            "hydra.job.chdir=true runs in another folder, but all paths are relative to the project: leave it false"
        )
    if hydra.output_subdir not in (None, ".hydra"):
        raise ConfigError(
            f"hydra.output_subdir={hydra.output_subdir} would mix Hydra's files with those of the run: "
            "leave it at .hydra, or set it to null for none"
        )
    project = Path.cwd()
    for entry in hydra.searchpath or []:
        kind, _, place = entry.rpartition("://")
        own = place.partition(".")[0] in own_packages() if kind == "pkg" else _within(project, Path(place))
        if kind not in ("", "file", "pkg") or not own:
            raise ConfigError(
                f"hydra.searchpath={entry} is outside of the project, so no commit holds what a run takes from it: "
                "put those files into configs/"
            )
    if _within(Path(folder), project) or any(_within(project / name, Path(folder)) for name in _CODE):
        raise ConfigError(
            f"{folder} cannot be the folder of a run, because the code is there: choose another, such as outputs/first"
        )


def _check_choices(hydra: DictConfig) -> None:
    """Refuse files elsewhere than in configs/, which no commit need hold, and which could set keys of `hydra`, too."""
    roots = [Path("configs")]
    for entry in hydra.searchpath or []:
        kind, _, place = entry.rpartition("://")
        roots.append(Path("src", *place.split(".")) if kind == "pkg" else Path(place))
    # the project's folder holds params.yaml, which is in no group, and runs, which anybody may have made
    roots = [root for root in roots if root.resolve() != Path.cwd()]
    for choice, file in chosen(hydra):
        own = any((root / file).is_file() and _within(root, root / file) for root in roots)
        of_hydra = file.parts[0] == "hydra" and ".." not in file.parts
        if not own and not of_hydra:
            folder = choice.partition("=")[0].partition("@")[0]
            raise ConfigError(
                f"{choice} is not a file in configs/{folder}, so no commit holds what a run takes from it: "
                "put the file there"
            )
        refuse_empty(Path("configs") / file)


def _within(outer: Path, inner: Path) -> bool:
    return inner.resolve().is_relative_to(outer.resolve())
