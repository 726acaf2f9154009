"""Names, newlines and modes that are the same on Linux, macOS and Windows."""

import fnmatch
import re
import subprocess
from pathlib import Path

import pytest
from conftest import ANSWERS, ROOT, TEMPLATE, Render
from cookiecutter.main import cookiecutter
from copies import copy_of_the_template, tree

RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", flags=re.IGNORECASE)


def git(*arguments: str, folder: Path = ROOT) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


def illegal(name: str) -> str | None:
    """Return why Windows or macOS cannot hold a path beside the others, or nothing."""
    for part in name.split("/"):
        if not part.isascii():
            return "is written in two ways on macOS"
        if re.search(r'[<>:"|?*\\\x00-\x1f]', part) or part.endswith((".", " ")):
            return "holds what Windows does not take"
        if RESERVED.fullmatch(part):
            return "is a device on Windows"
    return None


def same_but_for_case(names: list[str]) -> list[str]:
    """Return the paths, of files and folders, that another one has but for upper and lower case."""
    paths = {name.rsplit("/", depth)[0] for name in names for depth in range(name.count("/") + 1)}
    folded: dict[str, str] = {}
    return [path for path in sorted(paths) if folded.setdefault(path.casefold(), path) != path]


def test_names_of_the_template() -> None:
    names = [name for name in git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0") if name]
    assert len(names) > 250
    assert {name: illegal(name) for name in names if illegal(name)} == {}
    assert same_but_for_case(names) == []
    assert max(map(len, names)) <= 150  # Windows takes 260 with the folder of the clone


def test_these_checks_can_fail() -> None:
    for name in ("docs/aux.md", "a:b/c", "what?", "ends./x", "über", "NUL"):
        assert illegal(name), name
    assert same_but_for_case(["src/a/x", "src/b", "Src/c"]) == ["src"]
    assert same_but_for_case(["README.md", "readme.md"]) == ["readme.md"]


@pytest.mark.parametrize(("slug", "package", "longest"), [("my-project", "my_project", 100), ("s" * 80, "p" * 50, 200)])
def test_names_and_newlines_of_a_project(render: Render, slug: str, package: str, longest: int) -> None:
    for manager in ("pip", "conda"):  # the one with the most files, and the one with a file in the package
        project = render(project_slug=slug, package_name=package, environment_manager=manager)
        files = tree(project)
        assert {name for name, data in files.items() if b"\r" in data} == set()
        names = [f"{slug}/{name}" for name in files]
        assert {name: illegal(name) for name in names if illegal(name)} == {}
        assert same_but_for_case(names) == []
        assert max(map(len, names)) <= longest


def test_no_link_and_no_executable() -> None:
    """Windows keeps neither, so nothing may depend on them."""
    staged = git("ls-files", "--stage", "hooks", "cookiecutter.json", TEMPLATE.name).splitlines()
    assert {line.split()[0] for line in staged} == {"100644"}


def test_a_clone_on_windows_has_the_same_bytes(tmp_path: Path) -> None:
    """Git for Windows sets core.autocrlf, and .gitattributes overrules it."""
    files = tree(copy_of_the_template(tmp_path / "windows"))
    for name, data in files.items():
        assert b"\r" not in data or name.endswith(".png"), name
    clone = tmp_path / "windows"
    git("init", "--quiet", folder=clone)
    git("add", ".", folder=clone)
    assert checked_out(clone) == files
    git("rm", "--quiet", "--cached", ".gitattributes", folder=clone)
    (clone / ".gitattributes").unlink()
    assert b"\r\n" in checked_out(clone)["cookiecutter.json"]  # without it, the bytes do change


def checked_out(clone: Path) -> dict[str, bytes]:
    """Return the files as Git for Windows writes them."""
    for name in git("ls-files", "-z", folder=clone).split("\0"):
        if name and name != ".gitattributes":
            (clone / name).unlink()
    git("-c", "core.autocrlf=true", "checkout-index", "--all", folder=clone)
    return {name: data for name, data in tree(clone).items() if not name.startswith(".git/")}


def test_a_template_with_other_newlines_renders_the_same(render: Render, tmp_path: Path) -> None:
    """For who has the template from elsewhere than from git; only what is copied as it is cannot be fixed."""
    template = copy_of_the_template(tmp_path / "template")
    for folder in ("hooks", TEMPLATE.name):
        for path in (template / folder).rglob("*"):
            if path.is_file():
                path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    project = tree(Path(cookiecutter(str(template), no_input=True, output_dir=str(tmp_path / "out"))))
    copied = [name for name in project if any(fnmatch.fnmatch(name, one) for one in ANSWERS["_copy_without_render"])]
    assert {name for name, data in project.items() if b"\r" in data} == set(copied)
    expected = tree(render())
    assert {
        name: data.replace(b"\r\n", b"\n") if name in copied else data for name, data in project.items()
    } == expected
