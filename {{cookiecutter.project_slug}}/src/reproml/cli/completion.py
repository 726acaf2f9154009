"""`completion`: what bash needs to complete `python -m <package> ...` when Tab is pressed."""

import argparse
from typing import Any

from .arguments import RunName

# Shells complete by the first word, `python`: what is not for this package goes where it went before, as to Hydra's own
# completion of train.py.
_SCRIPT = """
_reproml_runs() {
  local run names="last best models"
  for run in outputs/*/run.json outputs/*/*/run.json outputs/*/*/*/run.json; do
    if [ -e "$run" ]; then run="${run#outputs/}"; names="$names ${run%/run.json}"; fi
  done
  compgen -W "$names" -- "$1"
  compgen -d -- "$1"
}
_reproml_python() {
  if [ "${COMP_WORDS[1]}" = -m ] && [ "${COMP_WORDS[2]}" = PACKAGE ] && [ "$COMP_CWORD" -gt 2 ]; then
    COMP_WORDS=("${COMP_WORDS[@]:2}")
    COMP_CWORD=$((COMP_CWORD - 2))
    _shtab_reproml
  elif [ -n "$_reproml_before" ]; then
    compopt -o nospace 2>/dev/null
    "$_reproml_before" "$@"
  fi
}
_reproml_found="$(complete -p python 2>/dev/null | sed -n 's/.*-F \\([^ ]*\\).*/\\1/p')"
if [ "$_reproml_found" != _reproml_python ]; then _reproml_before="$_reproml_found"; fi
complete -o default -F _reproml_python python
"""


def add(commands: Any) -> None:
    """Declare the command."""
    completion = commands.add_parser(
        "completion",
        help="print the bash code for tab completion",
        description='Switch it on with eval "$(python -m <package> completion)": docs/commands.md.',
    )
    completion.set_defaults(command=_completion, commands=commands)


def _completion(arguments: argparse.Namespace) -> int:
    import shtab  # DVC needs it, too

    for command in arguments.commands.choices.values():
        for action in command._actions:
            if action.type is RunName:
                action.complete = {"bash": "_reproml_runs"}
    written = shtab.complete(arguments.parser, "bash", root_prefix="reproml")
    package = arguments.parser.prog.split()[-1]
    print(written.rpartition("\ncomplete ")[0] + _SCRIPT.replace("PACKAGE", package))
    return 0
