"""Check every answer before anything is written, and list everything wrong at once.

local_extensions.py calls `problems` from this file, in place, beside the list of names. It does so right after the
questions, because cookiecutter prints a traceback if a hook fails, and again when this file is rendered as a hook,
for answers that cookiecutter replays: {{ cookiecutter | refused }}
"""

import keyword
import re
import sys
from pathlib import Path

# Names that a package would hide: the project's own scripts and folders, and everything installed with it.
OWN = {"configs", "configure", "data", "docs", "evaluate", "models", "notebooks"}
OWN |= {"prepare", "reports", "reproml", "src", "test", "tests", "train", "variants"}
OWN |= {"archives", "build", "dist", "lightning_logs", "logs", "mlruns", "outputs"}
# Packages and modules that an environment can hold, which `make lock` lists
INSTALLED = Path(__file__).with_name("installed_names.txt")
# Windows devices, and what YAML does not read as text
NOT_NAMES = {"aux", "con", "nul", "prn", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}
NOT_NAMES |= {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
# Quotes, escapes, braces, `$(...)`, backticks and tags mean something to some file; half a surrogate pair is not text.
UNSAFE = re.compile(r"[\"\\`${}<>\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
# No dot or hyphen at an end: the package's metadata and the citation would be refused with such an address
EMAIL = r"[\w+%-]+(\.[\w+%-]+)*@([A-Za-z0-9]+(-+[A-Za-z0-9]+)*\.)+[A-Za-z0-9]+(-+[A-Za-z0-9]+)*(?<=[\w-]{2})"


def problems(answers: dict[str, str]) -> list[str]:
    """Return one sentence for each answer that cannot be used."""
    found = []
    for key in ("project_name", "description", "author_name"):
        text = answers[key]
        if not any(map(str.isprintable, text.strip())):
            found.append(f"{key} is empty; write something")
        elif bad := UNSAFE.search(text):
            found.append(
                f"{key}={text!r} contains {bad.group()!r}; leave out double quotes, backslashes, backticks, "
                "dollar signs, braces, < > and line ends"
            )
        elif len(text) > 200:
            found.append(f"{key} has {len(text)} characters; use at most 200")

    slug, package = answers["project_slug"], answers["package_name"]
    for key in ("project_slug", "package_name"):
        if answers[key] in NOT_NAMES:
            found.append(f"{key}={answers[key]!r} is a reserved word in Windows or YAML; choose another name")
    taken = OWN | set(INSTALLED.read_text(encoding="utf-8").split())
    if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", slug) or len(slug) > 80:
        found.append(
            f"project_slug={slug!r} is not a folder name that works everywhere; use at most 80 lower-case letters, "
            "digits and hyphens, as in my-project"
        )
    elif slug.replace("-", "_") in taken:
        found.append(
            f"project_slug={slug!r} is the name of an installed package or a project folder; choose another name"
        )

    if not re.fullmatch(r"[a-z][a-z0-9_]*", package) or len(package) > 50:
        found.append(
            f"package_name={package!r} is not a package name; use at most 50 lower-case letters, digits and "
            "underscores, as in my_project"
        )
    elif keyword.iskeyword(package) or keyword.issoftkeyword(package):
        found.append(f"package_name={package!r} is a Python keyword; choose another name")
    elif package in sys.stdlib_module_names:
        found.append(f"package_name={package!r} is a module of Python's standard library; choose another name")
    elif package in taken:
        found.append(
            f"package_name={package!r} would hide a package, a script or a folder of the project; choose another name"
        )

    if not re.fullmatch(EMAIL, email := answers["author_email"], flags=re.ASCII) or len(email) > 200:
        found.append(f"author_email={email!r} is not an e-mail address; write it as in you@example.com")

    version = answers["python_version"]
    if not re.fullmatch(r"\d+\.\d+", version) or not (3, 11) <= tuple(map(int, version.split("."))) <= (3, 13):
        found.append(f"python_version={version!r} is not supported; choose 3.11, 3.12 or 3.13")
    return found
