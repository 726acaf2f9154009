"""The archive of a run: an RO-Crate, which says in a machine's words what each file is and how it was made.

RO-Crate 1.3 (https://w3id.org/ro/crate/1.3) is JSON-LD with the words of schema.org. The training is a CreateAction: it
made the model with a script at a commit, from data with a digest.
"""

import io
import re
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from ..checklist.facts import Facts as ProjectFacts
from ..files import file_digest, write_bytes
from ..names import (
    CONFIG,
    EVALUATION,
    FIGURES,
    HISTORY,
    METRICS,
    MODEL,
    PATCH,
    PREDICTIONS,
    RECORD,
    REPORTS,
    TABLES,
    TRACE,
    VERIFICATION,
)
from ..runs.completed import CompletedRun
from .collect import Facts, collect
from .render import report
from .shareable import shareable

ARCHIVES = Path("archives")
_VERSION = "1.3"
_SPDX = "https://spdx.org/licenses/"
# What goes into the archive where it is there -> what a reader is told of it, and its media type.
_OF_THE_RUN = {
    MODEL: ("the final weights", "application/octet-stream"),
    RECORD: ("the record of the run", "application/json"),
    CONFIG: ("the configuration", "application/yaml"),
    PATCH: ("differences from the commit", "text/x-diff"),
    HISTORY: ("metrics of each epoch", "text/csv"),
    TRACE: ("order of the examples, loss and digests of the weights, by step", "application/jsonl"),
    VERIFICATION: ("verdict of the last verification", "application/json"),
}
_OF_THE_TEST = {
    METRICS: ("metrics of the test", "application/json"),
    EVALUATION: ("metrics of the test with their intervals, and what its tables and figures show", "application/json"),
    PREDICTIONS: ("prediction of each test example", "text/csv"),
}
_OF_THE_PROJECT = {
    "MODEL_CARD.md": ("the model card", "text/markdown"),
    "DATA_CARD.md": ("the data card", "text/markdown"),
    "reports/croissant.json": ("the data, described in Croissant", "application/ld+json"),
    "CITATION.cff": ("how to cite the project", "application/yaml"),
    "LICENSE": ("the license", "text/plain"),
}


def write_archive(folder: Path) -> Path:
    """Pack a finished run into `archives/<name>.crate.zip`, whole or not at all, and return the path.

    The name is that of the run's folder. For the pipeline's `models/`, which holds another run after each `dvc repro`,
    the first digits of the weights' digest are added. Equal files and facts give an archive of equal bytes.

    Raises:
        RecordError: there is no finished run, its model is missing, a file is not the one that its record names, or
            the record would tell where the home folder is.
    """
    found = shareable(folder)
    facts = collect(folder)
    name = folder.resolve().name
    if folder.resolve() == Path("models").resolve():
        name = f"models-{found['weights_sha256'][:12]}"
    output = ARCHIVES / f"{name}.crate.zip"
    with TemporaryDirectory() as temporary:
        crate = _crate(facts, Path(temporary) / "reports")
        crate.write(Path(temporary) / "crate")
        write_bytes(output, _zipped(Path(temporary) / "crate"))
    return output


def _crate(facts: Facts, reports: Path) -> ROCrate:
    record = facts.record
    project = ProjectFacts(Path(), None, None).pyproject["project"]
    crate = ROCrate(version=_VERSION)
    root, ended = crate.root_dataset, record["sessions"][-1]["ended"]
    root["name"] = f"{project['name']}: {facts.folder}"
    root["description"] = (
        f"{project['description']} A training on {record['data']['name']} with seed {record['seeds']['seed']}: "
        "model, record, configuration, results and report."
    )
    root["datePublished"], root["version"] = ended, project["version"]
    author = _add_author(crate, project["authors"][0])
    root["author"] = root["publisher"] = author
    files = _add_files(crate, facts, reports)
    root["license"] = _add_license(crate, files, project["license"])
    _add_training(crate, facts, files, author, project)
    return crate


def _add_files(crate: ROCrate, facts: Facts, reports: Path) -> dict[str, Any]:
    """Put the files into the crate and return their entities, by their names in it."""
    reports.mkdir()
    for name in REPORTS:  # which name the results by their place in the archive
        (reports / name).write_text(report(replace(facts, results="test"), name), encoding="utf-8")
    places = [(facts.folder / name, name, *about) for name, about in _OF_THE_RUN.items()]
    if tests := CompletedRun(facts.folder, facts.record).test_folder():
        shown = {f"{TABLES}/{item.name}.csv": (item.title, "text/csv") for item in facts.tables}
        shown |= {f"{FIGURES}/{item.name}.png": (item.title, "image/png") for item in facts.figures}
        places += [(tests / name, f"test/{name}", *about) for name, about in (_OF_THE_TEST | shown).items()]
    places += [(Path(name), Path(name).name, *about) for name, about in _OF_THE_PROJECT.items()]
    places += [
        (reports / REPORTS[0], REPORTS[0], "the report, for a browser", "text/html"),
        (reports / REPORTS[1], REPORTS[1], "the report", "text/markdown"),
    ]
    return {
        name: crate.add_file(
            path,
            name,
            properties={
                "name": name,
                "description": about,
                "encodingFormat": media,
                "contentSize": str(path.stat().st_size),
                "sha256": file_digest(path),
            },
        )
        for path, name, about, media in places
        if path.exists()
    }


def _add_training(crate: ROCrate, facts: Facts, files: dict[str, Any], author: Any, project: dict[str, Any]) -> None:
    record = facts.record
    commit = record["git"]["commit"]
    script = crate.add(
        _entity(
            crate,
            f"#{record['command']['script']}@{commit}",
            "SoftwareApplication",
            name=f"{project['name']}, {record['command']['script']} at commit {commit}",
            version=commit,
            url=project.get("urls", {}).get("Repository", f"https://archive.softwareheritage.org/swh:1:rev:{commit}"),
        )
    )
    read = record["data"]["raw"] | record["data"].get("files", {}) | record["inputs"]
    data = [
        crate.add(_entity(crate, f"#sha256:{digest}", "CreativeWork", name=name, sha256=digest))
        for name, digest in read.items()
    ]
    results, level = (MODEL, RECORD, HISTORY, TRACE), record["reproducibility"]
    action = crate.add_action(
        script,
        f"#training-{record['weights_sha256'][:12]}",
        object=[*data, files[CONFIG], *([files[PATCH]] if PATCH in files else [])],
        result=[files[name] for name in results if name in files],
        properties={
            "@type": "CreateAction",
            "name": f"Training: {facts.command}",
            "description": f"Reproducibility level {level['level']}: {level['text']}.",
            "startTime": record["sessions"][0]["started"],
            "endTime": record["sessions"][-1]["ended"],
            "actionStatus": "http://schema.org/CompletedActionStatus",
        },
    )
    action["agent"] = author
    crate.root_dataset["mentions"] = action


def _add_author(crate: ROCrate, author: dict[str, str]) -> ContextEntity:
    identifier = "#" + re.sub(r"[^\w.-]+", "-", author["name"])
    person = crate.add(_entity(crate, identifier, "Person", name=author["name"]))
    if address := author.get("email"):
        about = {"name": "author", "contactType": "author", "email": address}
        person["contactPoint"] = crate.add(_entity(crate, f"mailto:{address}", "ContactPoint", **about))
    return person


def _add_license(crate: ROCrate, files: dict[str, Any], spdx: str) -> Any:
    """Return the license by its address in the list of SPDX, or the file, where the license is in no list."""
    if spdx.startswith("LicenseRef-"):
        return files["LICENSE"]
    about = {"name": spdx, "description": f"The license {spdx} of the project; LICENSE has its text"}
    return crate.add(_entity(crate, f"{_SPDX}{spdx}.html", "CreativeWork", **about))


def _entity(crate: ROCrate, identifier: str, kind: str | list[str], **properties: str) -> ContextEntity:
    return ContextEntity(crate, identifier, properties={"@type": kind, **properties})


def _zipped(folder: Path) -> bytes:
    """Return the files of a folder as a zip, without what differs each time: order, times and owners."""
    content = io.BytesIO()
    with ZipFile(content, "w", ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = ZipInfo(path.relative_to(folder).as_posix())
                entry.compress_type, entry.external_attr = ZIP_DEFLATED, 0o644 << 16
                archive.writestr(entry, path.read_bytes())
    return content.getvalue()
