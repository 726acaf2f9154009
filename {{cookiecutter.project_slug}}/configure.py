"""Write params.yaml from configs/, so that DVC sees every edit: the first stage of `dvc repro`.

The stage passes the name of the data as DVC read it from params.yaml: `python configure.py digits`. Run by hand,
`python configure.py` also replaces what an experiment left there, and says so.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "src"))  # this folder's own code, also in the copies that DVC makes
from package_name import params, secrets
from package_name.check import check
from package_name.cli import one_sentence
from package_name.errors import ConfigError
from package_name.files import write_text
from package_name.params import PARAMS


def main(read_by_dvc: list[str]) -> None:
    """Compose the configuration, check it and write it, unless that would discard an experiment."""
    secrets.load()
    project = Path(__file__).parent.resolve()
    cfg = params.composed(project)
    if found := secrets.values_from_environment(cfg):
        raise ConfigError(
            f"{next(iter(found.values()))} in configs/ would be written into {PARAMS}, which is committed: in the "
            f"pipeline only configs/tracking may read the environment (is it there already: git checkout {PARAMS})"
        )
    check(cfg)
    baseline = os.environ.get("DVC_EXP_BASELINE_REV")  # of `dvc exp run`, which has written params.yaml itself
    lost = params.unkept(project, cfg, baseline)
    if lost and read_by_dvc:
        before = f"git checkout {PARAMS}, then " if baseline else ""
        raise ConfigError(
            f"{PARAMS}{' in the commit' if baseline else ''} holds {lost}, which does not come from configs/ but "
            f"probably from an experiment: {before}python -m {params.__name__.partition('.')[0]} keep writes that into "
            "configs/, or python configure.py discards it"
        )
    if baseline and params.unkept(project, cfg):
        return  # the settings of this experiment
    if lost:
        print(f"{PARAMS} held {lost}; now it holds what configs/ compose")
    write_text(project / PARAMS, params.text(cfg))
    # the folders of the stages have that name in them; data of the user's own have none
    if read_by_dvc and "name" in cfg.data and read_by_dvc != [cfg.data.name]:
        raise ConfigError(
            f"data={cfg.data.name} is written into {PARAMS}, and DVC had read data={read_by_dvc[0]}: run it again"
        )


if __name__ == "__main__":
    with one_sentence():
        main(sys.argv[1:])
