"""The names of the files of a run, and of the pipeline's run. Each is defined only here."""

from pathlib import Path

CONFIG = "config.yaml"
RECORD = "run.json"
MODEL = "model.safetensors"
HISTORY = "metrics.csv"
TRACE = "trace.jsonl"
PATCH = "changes.patch"  # what differed from the commit
CHECKPOINTS, LAST = "checkpoints", "last.ckpt"  # a folder, and the checkpoint in it that the end of the training leaves
HYDRA = ".hydra"  # the folder of Hydra's own notes, which is there first
LOCK = ".lock"
# Of a test, in the folder of the run or in reports/:
TEST = "test"  # its folder in that of the run
METRICS = "metrics.json"
EVALUATION = "evaluation.json"
PREDICTIONS = "predictions.csv"
TABLES, FIGURES = "tables", "figures"  # folders
TRACKING = "tracking.json"  # the names that trackers have for the run, and what they lack of it
ONNX = "model.onnx"  # the exported model
VERIFICATION = "verification.json"  # what the last verification said
REPORTS = ("report.html", "report.md")
PIPELINE = "pipeline"  # the configuration whose run folder stands in params.yaml
MODELS = Path("models")  # the run folder of the pipeline
REPORTS_OF_PIPELINE = Path("reports")  # where dvc.yaml tests its model
