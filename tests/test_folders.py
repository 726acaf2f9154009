"""Where a project goes: folders that exist, that cannot be written, and generations that are cut off."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, Render
from copies import copy_of_the_template, tree

COOKIECUTTER = Path(sys.executable).with_name("cookiecutter")


def generate(folder: Path, *options: str, template: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Generate a project as a user does who is in this folder."""
    command = [str(COOKIECUTTER), str(template), "--no-input", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize(
    "slug", ["..", ".", "../neighbour", "../new/neighbour", "a/b", "a\\b", "{absolute}", "./x", ""]
)
def test_a_name_that_is_a_path_is_refused_and_touches_nothing(tmp_path: Path, slug: str) -> None:
    """Cookiecutter removes the folder of a refused project, so the name must not lead to another one."""
    here = tmp_path / "here"
    (here / "neighbour").mkdir(parents=True)
    (here / "neighbour" / "precious.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    result = generate(here, "--output-dir", "new", f"project_slug={slug.format(absolute=here / 'neighbour')}")
    assert result.returncode != 0
    assert "project_slug" in result.stdout + result.stderr
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["🚀", "..."])
def test_a_name_that_makes_no_folder_is_one_sentence(tmp_path: Path, name: str) -> None:
    result = generate(tmp_path, f"project_name={name}")
    assert result.returncode != 0
    assert "error: project_slug='' is not a folder name" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_store_of_dvc_is_nothing_to_a_repository_around_the_project(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "deep").mkdir()
    generate(tmp_path / "deep").check_returncode()
    (tmp_path / "deep" / "my-project-dvc-store" / "files").write_text("what dvc push writes")
    ignored = ["git", "check-ignore", "--quiet", "my-project-dvc-store/files"]
    subprocess.run(ignored, cwd=tmp_path / "deep", check=True)


def test_a_folder_that_exists_is_not_touched_unless_asked(tmp_path: Path, render: Render) -> None:
    project = tmp_path / "my-project"
    project.mkdir()
    (project / "notes.txt").write_text("mine")
    (project / "README.md").write_text("mine")
    result = generate(tmp_path)
    assert result.returncode != 0
    assert "already exists" in result.stdout + result.stderr
    assert tree(project) == {"README.md": b"mine", "notes.txt": b"mine"}
    # --overwrite-if-exists writes the template's files, each one once, and leaves the others alone
    expected = {**tree(render()), "notes.txt": b"mine"}
    for _ in range(2):
        generate(tmp_path, "--overwrite-if-exists").check_returncode()
        assert tree(project) == expected
    # with a bad answer it does not even remove what it did not write
    assert generate(tmp_path, "--overwrite-if-exists", "package_name=class").returncode != 0
    assert tree(project) == expected


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """One sentence names the folder, and nothing is left."""
    (tmp_path / "locked").mkdir(mode=0o555)
    command = [str(COOKIECUTTER), str(ROOT), "--no-input"]
    if os.geteuid() == 0:  # root may write everywhere, but for who gave that right away
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    result = subprocess.run(command, cwd=tmp_path / "locked", capture_output=True, text=True)
    assert result.returncode != 0
    assert "Unable to create directory at my-project" in result.stderr
    assert list((tmp_path / "locked").iterdir()) == []
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)  # the same command, where it may write


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGINT, "variants/environment_manager=pip"),  # the files are being written
        (signal.SIGKILL, "environment.mk"),  # the hook is putting them together
    ],
)
def test_a_generation_that_is_cut_off(tmp_path: Path, render: Render, number: signal.Signals, moment: str) -> None:
    """What is left says that it is not finished, is refused like any folder that exists, and can be written over."""
    slow = copy_of_the_template(tmp_path / "template")
    hook = slow / "hooks" / "post_gen_project.py"
    each = "        else:\n"
    assert each in hook.read_text()
    hook.write_text(hook.read_text().replace(each, f"{each}            __import__('time').sleep(0.1)\n"))
    process = subprocess.Popen(
        [str(COOKIECUTTER), str(slow), "--no-input"],
        cwd=tmp_path,
        start_new_session=True,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a background job ignores it
    )
    project = tmp_path / "my-project"
    deadline = time.monotonic() + 60
    while not (project / moment).exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.001)
    os.killpg(process.pid, number)  # as a terminal does with Ctrl-C: cookiecutter and its hook
    assert process.wait() != 0
    assert (project / "variants").is_dir()
    assert generate(tmp_path).returncode != 0
    generate(tmp_path, "--overwrite-if-exists").check_returncode()
    assert tree(project) == tree(render())
