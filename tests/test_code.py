"""The code of a run: one definition, that resume, comparison, studies, the checklist and DVC's stages share."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import TEMPLATE, run
from reproml.checklist.after import CHECKS
from reproml.checklist.facts import Facts
from reproml.checklist.provenance import committed
from reproml.runs import code
from reproml.runs.imported import code_now, module_file
from reproml.runs.params import code_text
from reproml.runs.record import what_changed

pytestmark = pytest.mark.preloaded

ROOM = f"src/{code.MACHINERY}"
SAME = f"{ROOM}/report/templates/style.css.j2"
OTHER = f"{ROOM}/models/array_task.py"

# Trains in this process, and says which files of src/ were imported for it.
IMPORTED = """
import json, os, runpy, sys
sys.argv = ["train.py", *sys.argv[1:]]
os.environ["PYTHONHASHSEED"] = "0"  # as train.py itself would
runpy.run_path("train.py", run_name="__main__")
files = [module.__file__ for module in list(sys.modules.values()) if getattr(module, "__file__", None)]
print(json.dumps([os.path.relpath(file) for file in files if os.path.relpath(file).startswith("src/")]))
"""
# What a training imports although its bits do not depend on it; code.py says why.
HARMLESS = (
    "config/explain.py",
    "config/trust/",
    "errors.py",
    "evaluation/figures.py",
    "logs.py",
    "report/__init__.py",
    "report/summary.py",
    "runs/",
    "tracking/",
    "training/describe.py",
)


@pytest.mark.parametrize(
    ("name", "decides"),
    [
        ("train.py", True),
        ("prepare.py", True),
        ("my_layers.py", True),  # a user's, beside the scripts
        ("evaluate.py", False),
        ("document.py", False),
        ("src/my_project/models/mine.py", True),
        ("src/my_project/data/digits.py", True),
        (f"{ROOM}/training/trainer.py", True),
        (f"{ROOM}/evaluation/measure.py", True),
        (f"{ROOM}/evaluation/figures.py", False),
        (f"{ROOM}/config/schema.py", True),
        (f"{ROOM}/new_room/new.py", True),
        (f"{ROOM}/training/session.py", True),
        (f"{ROOM}/verify/verify.py", False),
        (f"{ROOM}/runs/inputs.py", False),  # like runs/environment.py
        (f"{ROOM}/errors.py", False),
        (f"{ROOM}/cards/model_card.md.j2", False),
        (f"{ROOM}/checklist/after.py", False),
        (f"{ROOM}/serving/server.py", False),
        (SAME, False),
        ("src/others/report/render.py", True),  # named like a room of the machinery
        ("src/others.py", True),
        (f"{ROOM}/tracking.py", True),  # a file, and no room
    ],
)
def test_what_decides(name: str, decides: bool) -> None:
    assert code.decides(name) is decides


def test_every_room_that_is_left_out_is_there_and_has_a_reason() -> None:
    for place, reason in code.DECIDES_NOTHING.items():
        assert (TEMPLATE / ROOM / place).exists(), place
        assert reason


def _record(**digests: str) -> dict[str, Any]:
    """Return the parts of a record that are compared."""
    config = {"data": {"source": "sklearn"}, "paths": {"run": "models"}}
    return {
        "code": {"train.py": "0", OTHER: "0", SAME: "0"} | digests,
        "config": config,
        **{"data": {}, "locks": {}, "environment": {}, "restored": None, "inputs": {}},
    }


def test_only_what_decides_is_compared() -> None:
    assert what_changed(_record(), _record(**{SAME: "1"})) == []
    assert [str(change) for change in what_changed(_record(), _record(**{OTHER: "1"}))] == [f"code: {OTHER} changed"]
    added = what_changed(_record(), _record(**{f"{ROOM}/models/new.py": "1"}))
    assert [str(change) for change in added] == [f"code: {ROOM}/models/new.py was added"]


def test_a_release_needs_a_new_training_only_after_an_edit_that_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (SAME, OTHER):
        Path(name).parent.mkdir(parents=True)
        Path(name).write_text("first\n")
    run("git init --quiet && git add . && git commit --quiet --message First", tmp_path)
    found = {"code": code.code_digests(), "git": {"dirty": False}, "command": {"config": "pipeline"}}
    facts = Facts(tmp_path, Path("models"), found)
    for name, status in ((SAME, "pass"), (OTHER, "fail")):
        Path(name).write_text("second\n")
        run("git commit --quiet --all --message Second", tmp_path)
        assert committed(Facts(tmp_path, facts.run, facts.record)).status == status


def test_the_checklist_asks_for_a_training_where_the_test_alone_cannot_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an edit of what computes the metrics, `evaluate.py` would give other ones than the record has."""
    monkeypatch.chdir(tmp_path)
    measure = f"{ROOM}/evaluation/classification.py"
    for name in (SAME, measure):
        Path(name).parent.mkdir(parents=True)
        Path(name).write_text("first")
    found = {"code": code.code_digests(), "metrics": {}, "command": {"config": "pipeline"}, "config": {}}
    [documented] = [check for check in CHECKS if check.name == "the results are documented"]
    for edited, fix in ((SAME, "python evaluate.py run=models output=reports"), (measure, "dvc repro --force")):
        Path(edited).write_text("second")
        assert documented.find(Facts(tmp_path, Path("models"), found)).fix == fix


def test_dvc_is_told_of_every_edit_that_concerns_a_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through code.yaml: all of the code of a run, and of the rest only what prepares the data, or writes cards."""
    monkeypatch.syspath_prepend(tmp_path)
    files = {
        "params.yaml": "data: {_target_: my_data.Mine, size: 1}",
        "my_data.py": "import my_steps",
        "my_steps.py": "",
    }
    for name, text in (files | {SAME: "", OTHER: ""}).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    def concerned(name: str, text: str = "# edited\n") -> set[str]:
        before = yaml.safe_load(code_text(tmp_path))
        (tmp_path / name).write_text(text)
        after = yaml.safe_load(code_text(tmp_path))
        return {key for key in before if before[key] != after[key]}

    assert concerned(SAME) == set()
    assert concerned(OTHER) == {"run"}
    assert concerned(f"{ROOM}/models/new.py") == {"run"}
    assert concerned("evaluate.py") == set()
    assert concerned("my_steps.py") == {"prepare", "run"}  # which the data import
    assert concerned("params.yaml", "data: {_target_: my_data.Mine, size: 2}") == {"prepare", "data"}
    arrays = (
        "data: {{_target_: my_data.Mine, source: {}, files: {{}}, num_workers: {}, shift: {}, classes: [{}]}}".format
    )
    assert concerned("params.yaml", arrays("sklearn", 0, 0, "a")) == {"prepare", "data"}
    assert concerned("params.yaml", arrays("elsewhere", 1, 0, "a")) == set()
    assert concerned("params.yaml", arrays("elsewhere", 1, 1, "a")) == {"data"}
    assert concerned("params.yaml", arrays("elsewhere", 1, 1, "b")) == {"prepare", "data"}


def test_dvc_is_told_of_all_the_code_that_writes_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    writes = set(code_now("reproml.cards.data_card", "reproml.cards.model_card"))
    wanted = ("tables", "markdown", "evaluation.written", "models.interface", "arrays.splits", "training.randomness")
    assert {f"reproml.{name}" for name in wanted} <= writes
    assert not {name for name in writes if name.startswith(("reproml.serving", "reproml.tracking", "reproml.cli"))}


@pytest.mark.slow
def test_what_a_training_imports_is_the_code_of_the_run_or_listed(shared_project: Path) -> None:
    (shared_project / "imported.py").write_text(IMPORTED)
    short = "tracking=none model=mlp training.epochs=1 data.train_examples=64 hydra.run.dir=outputs/imported"
    imported = json.loads(run(f"python imported.py {short}", shared_project).stdout.splitlines()[-1])
    assert {"src/my_project/models/mlp.py", f"{ROOM}/training/trainer.py"} <= set(imported)
    inside = [name.removeprefix(f"{ROOM}/") for name in imported if not code.decides(name)]
    assert [name for name in inside if not name.startswith(HARMLESS)] == []
    recorded = json.loads((shared_project / "outputs/imported/run.json").read_text())["code"]
    assert set(imported) <= set(recorded)


def test_an_import_is_found_wherever_a_statement_may_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is asked for once, however many files have it."""
    places = {
        "plain": "import {}",
        "branch": "if a:\n pass\nelif b:\n import {}",
        "otherwise": "for a in b:\n pass\nelse:\n import {}",
        "guarded": "try:\n import a\nexcept ImportError:\n import {}",
        "lastly": "try:\n import a\nfinally:\n import {}",
        "matched": "match a:\n case 1:\n  import {}",
        "inside": "class A:\n async def f(self):\n  with a:\n   while b:\n    from {} import f",
    }
    (tmp_path / "ours").mkdir()
    for name, text in places.items():
        (tmp_path / "ours" / f"{name}.py").write_text(text.format(f"ours.of_{name}"))
        (tmp_path / "ours" / f"of_{name}.py").write_text("import ours.shared")
    (tmp_path / "ours" / "shared.py").write_text("text = 'import ours.unseen'")
    (tmp_path / "ours" / "unseen.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    asked: list[str] = []
    monkeypatch.setattr("reproml.runs.imported.module_file", lambda name: asked.append(name) or module_file(name))
    for name in places:
        assert list(code_now(f"ours.{name}")) == sorted([f"ours.{name}", f"ours.of_{name}", "ours.shared"])
    asked.clear()
    code_now(*(f"ours.{name}" for name in places))
    assert len(asked) == len(set(asked))
