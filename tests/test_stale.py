"""Nothing made by older code is used: prepared data after an edit of what reads it, workers after an edit of theirs."""

from pathlib import Path

import pytest
from conftest import run
from runs import script

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]
PREPARED = Path("data/processed/digits")
MINE = """
from reproml import Examples
from .digits import Digits
from ..letters import step
class Mine(Digits):
    @staticmethod
    def read(folder):
        found = Digits.read(folder)
        [(inputs, targets)] = found.chunks
        return Examples(found.count, found.shape, found.dtype, 0, iter([(inputs * step(), targets)]))
"""
# As a training does it; prints the digest of the inputs.
PREPARE = """
import sys
sys.dont_write_bytecode = True  # an edit within a second and of the same length would not be seen
from hydra import compose, initialize_config_dir
from pathlib import Path
from reproml.config.check import check
from reproml.arrays.prepare import prepare_once
with initialize_config_dir(str(Path("configs").resolve()), version_base="1.3"):
    data = check(compose("snapshot", ["data._target_=my_project.data.mine.Mine"])).data
print(prepare_once(data, Path("data/raw/digits"), Path("data/processed/digits"))["files"]["inputs.npy"]["sha256"])
"""
WORKERS = """
import sys
sys.path.insert(0, "src")
from hydra import compose, initialize_config_dir
from pathlib import Path
from reproml.config.check import check
from reproml.config.explain import explain
from reproml.arrays.datamodule import ArrayDataModule
def first_batch(method):
    with initialize_config_dir(str(Path("configs").resolve()), version_base="1.3"):
        cfg = compose("snapshot", ["data.num_workers=1", f"data.start_method={method}", "data.shift=1"])
    next(iter(ArrayDataModule(check(cfg)).train_dataloader()))
if __name__ == "__main__":
    first_batch("spawn")
    print("read")
    source = Path("src/reproml/arrays/augment.py")
    source.write_text(source.read_text() + "# a remark")
    first_batch("fork")
    print("read by fork, for which an edit is nothing")
    try:
        first_batch("spawn")
    except Exception as error:
        print(explain(error))
"""


@pytest.fixture(scope="module")
def own_data(shared_project: Path) -> Path:
    """Return a project with data in a module of its own, which imports another one, prepared."""
    package = shared_project / "src" / "my_project"
    (package / "data" / "mine.py").write_text(MINE)
    (package / "letters.py").write_text("def step():\n    return 1\n")
    return shared_project


@pytest.fixture(scope="module")
def first(own_data: Path) -> str:
    """Return the digest of the inputs as the code stands."""
    return script(own_data, PREPARE)


@pytest.mark.parametrize(
    ("file", "before", "after", "again"),
    [
        ("my_project/data/mine.py", "inputs * step()", "inputs * 2 * step()", True),
        ("my_project/letters.py", "return 1", "return 3", True),  # what that imports
        ("my_project/data/digits.py", "table[:, :64]", "table[:, 63::-1]", True),
        ("reproml/arrays/shards.py", "inputs.tobytes()", "(inputs + 1).tobytes()", True),
        ("reproml/arrays/sampler.py", "import zlib", "import zlib  # a remark", False),
        ("reproml/arrays/datamodule.py", "import Any", "import Any  # a remark", False),
        ("reproml/config/schema.py", "import dataclass, field", "import dataclass, field  # a remark", False),
    ],
)
def test_an_edit_is_seen_where_it_decides(
    own_data: Path, first: str, file: str, before: str, after: str, again: bool
) -> None:
    stamp = (own_data / PREPARED / "manifest.json").stat().st_mtime_ns
    path = own_data / "src" / file
    good = path.read_text()
    assert good.count(before) == 1
    try:
        path.write_text(good.replace(before, after))
        second = script(own_data, PREPARE)
    finally:
        path.write_text(good)
    assert (second != first) is again
    assert ((own_data / PREPARED / "manifest.json").stat().st_mtime_ns != stamp) is again
    assert script(own_data, PREPARE) == first


def test_dvc_is_not_given_code_that_it_does_not_watch(own_data: Path) -> None:
    """DVC's variable stands in for a stage of DVC; without it, nothing has to be watched."""
    run("python prepare.py data._target_=my_project.data.mine.Mine", own_data, DVC_STAGE="prepare")
    (own_data / "mine.py").write_text("from my_project.data.mine import Mine\n")
    command = "python prepare.py data._target_=mine.Mine"
    refused = run(command, own_data, check=False, DVC_STAGE="prepare")
    assert refused.returncode == 1
    assert "data._target_=mine.Mine runs mine.py, and `dvc repro` would not see a change there" in refused.stderr
    run(command, own_data)
    stages = own_data / "dvc.yaml"
    good = stages.read_text()
    stages.write_text(
        good.replace("      - prepare.py\n      - train.py\n", "      - mine.py\n")
    )  # of the stage `code`
    run(command, own_data, DVC_STAGE="prepare")
    stages.write_text(good)
    (own_data / "my_network.py").write_text("from my_project.models.mlp import MLP\n")
    (own_data / "my_callback.py").write_text("from lightning import Callback\n")
    train = "python train.py tracking=none model=mlp hydra.run.dir=outputs/no"
    for key, target in (("model._target_", "my_network.MLP"), ("+callbacks.mine._target_", "my_callback.Callback")):
        refused = run(f"{train} {key}={target}", own_data, check=False, DVC_STAGE="train")
        assert refused.returncode == 1
        assert f"{key.removeprefix('+')}={target} runs {target.partition('.')[0]}.py" in refused.stderr
        assert not (own_data / "outputs" / "no" / "run.json").exists()


def test_a_worker_that_starts_after_an_edit_is_ended(own_data: Path) -> None:
    """As in the middle of a training that starts new workers in each epoch."""
    (own_data / "workers.py").write_text(WORKERS)
    source = own_data / "src" / "reproml" / "arrays" / "augment.py"
    good = source.read_text()
    try:
        said = run("python workers.py", own_data).stdout.splitlines()
    finally:
        source.write_text(good)
    assert said[:2] == ["read", "read by fork, for which an edit is nothing"]
    assert said[2].startswith("reproml.arrays.augment was edited during the training")
    assert len(said) == 3
