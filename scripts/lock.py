"""Write the lock files: of the template's own tools, and of a generated project for each tracker.

Run it with `make lock` after an edit of a pin. Everything is first resolved together, trackers and storage services
too, so that every lock holds the same version of a package and an extra can be added to any of them.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "{{cookiecutter.project_slug}}" / "variants" / "environment_manager=pip"
COMPILE = ["pip", "compile", "--quiet", "--universal", "--no-sources", "--python-version", "3.11", "--upgrade"]


def compile_lock(project: Path, *arguments: str | Path) -> None:
    """Resolve pins in `project` with uv."""
    uv = Path(sys.executable).with_name("uv")
    command = [uv, *COMPILE, "--custom-compile-command", "make lock", *arguments]
    subprocess.run([str(part) for part in command], cwd=project, check=True)


def main() -> None:
    """Write every lock file."""
    compile_lock(ROOT, "--generate-hashes", "--group", "dev", "--output-file", ROOT / "requirements-dev.txt")
    trackers = json.loads((ROOT / "cookiecutter.json").read_text())["tracker"]
    for tracker in trackers:
        (LOCKS / f"tracker={tracker}").mkdir(exist_ok=True)
        (LOCKS / f"tracker={tracker}" / "requirements.txt").touch()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(cookiecutter(str(ROOT), no_input=True, output_dir=folder))
        torch = ["--no-emit-package", "torch", "--excludes", "requirements-exclude.txt", "--generate-hashes"]
        together = project / "together.txt"
        excludes = ["--excludes", "requirements-exclude.txt"]
        compile_lock(project, "pyproject.toml", "--all-extras", "--group", "dev", *excludes, "--output-file", together)
        outputs = {tracker: LOCKS / f"tracker={tracker}" / "requirements.txt" for tracker in trackers}
        for tracker, output in outputs.items():
            extra = [] if tracker == "none" else ["--extra", tracker]
            compile_lock(project, "pyproject.toml", *extra, *torch, "--constraints", together, "--output-file", output)
        outputs["dev"] = LOCKS / "requirements-dev.txt"
        compile_lock(project, "--group", "dev", *torch, "--constraints", together, "--output-file", outputs["dev"])
    for output in outputs.values():  # users have no file of that name
        output.write_text(output.read_text().replace("    #   -c together.txt\n", ""))


if __name__ == "__main__":
    main()
