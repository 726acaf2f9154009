"""Write what the stages of DVC depend on: params.yaml from configs/, and code.yaml from the code.

These are the first two stages of `dvc repro`, so that it sees every edit of either. Run by hand, `python configure.py`
also replaces what an experiment left in params.yaml, and says so. `python configure.py lock` is asked before DVC, which
reads dvc.lock before any stage, and says in one sentence how to repair a damaged one.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "src"))  # this folder's own code, also in the copies that DVC makes
from reproml.interrupts import end_in_one_line

end_in_one_line(__name__)
from reproml import secrets
from reproml.config.check import check
from reproml.errors import ConfigError
from reproml.files import write_text
from reproml.recipe import one_sentence
from reproml.runs import params
from reproml.runs.params import CODE, PARAMS


def main(project: Path) -> None:
    """Compose the configuration, check it and write it, unless that would discard an experiment."""
    secrets.load()
    cfg = params.composed(project)
    if found := secrets.values_from_environment(cfg):
        raise ConfigError(
            f"{next(iter(found.values()))} in configs/ would be written into {PARAMS}, which is committed: in the "
            f"pipeline only configs/tracking may read the environment (if it is already there: git checkout {PARAMS})"
        )
    check(cfg)
    baseline = os.environ.get("DVC_EXP_BASELINE_REV")  # of `dvc exp run`, which has written params.yaml itself
    lost = params.unkept(project, cfg, baseline)
    if lost and "DVC_STAGE" in os.environ:
        before = f"git checkout {PARAMS}, then " if baseline else ""
        raise ConfigError(
            f"{PARAMS}{' in the commit' if baseline else ''} holds {lost}, which does not come from configs/ but "
            f"probably from an experiment: {before}python -m reproml keep writes that into "
            "configs/, or python configure.py discards it"
        )
    if baseline and params.unkept(project, cfg):
        return  # the settings of this experiment
    if lost:
        print(f"{PARAMS} held {lost}; now it holds what configs/ give")
    write_text(project / PARAMS, params.text(cfg))


if __name__ == "__main__":
    with one_sentence():
        os.chdir(Path(__file__).parent)  # so that sentences name files as they are called in the project
        if sys.argv[1:] == ["lock"]:
            params.refuse_damaged_lock(Path())
        elif sys.argv[1:] == ["code"]:
            write_text(Path(CODE), params.code_text(Path()))
        else:
            main(Path())
