"""`completion`: the code with which bash or zsh completes `python -m <package> ...` on Tab."""

import argparse
from typing import Any

from .arguments import RunName

# Shells complete by the first word, `python`: anything not for this package goes where it went before, such as to
# Hydra's own completion of train.py.
_BASH = """
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
_ZSH = """
_reproml_runs() {
  local -a names=(last best models) records=(outputs/*/run.json(N) outputs/*/*/run.json(N) outputs/*/*/*/run.json(N))
  names+=(${${records#outputs/}%/run.json})
  _alternative "runs:run:compadd -a names" "folders:folder:_path_files -/"
}
_reproml_python() {
  local -A opt_args
  if [[ $words[2] == -m && $words[3] == PACKAGE ]] && (( CURRENT > 3 )); then
    shift 2 words
    (( CURRENT -= 2 ))
    _shtab_reproml
  else
    $_reproml_before "$@"
  fi
}
if [[ $_comps[python] != _reproml_python ]]; then _reproml_before=${_comps[python]:-_default}; fi
compdef _reproml_python python
"""
# Added to shtab's functions, in place of its own last lines, which begin like this
_SHELLS = {"bash": (_BASH, "\ncomplete "), "zsh": (_ZSH, "\ntypeset -A opt_args")}


def add(commands: Any) -> None:
    """Declare the command."""
    completion = commands.add_parser(
        "completion",
        help="print the code for tab completion in bash or zsh",
        description='Switch it on with eval "$(python -m <package> completion zsh)": docs/commands.md.',
    )
    completion.add_argument("shell", nargs="?", default="bash", choices=list(_SHELLS), help="default: bash")
    completion.set_defaults(command=_completion, commands=commands)


def _completion(arguments: argparse.Namespace) -> int:
    import shtab  # DVC needs it, too

    parsers = arguments.commands.choices
    for command in parsers.values():
        for action in command._actions:
            if action.type is RunName:
                action.complete = dict.fromkeys(_SHELLS, "_reproml_runs")
    for listed in arguments.commands._choices_actions:  # zsh shows one line for each command
        parsers[listed.dest].description = listed.help
    package = arguments.parser.prog = arguments.parser.prog.split()[-1]  # a word, which shtab writes unquoted
    written = shtab.complete(arguments.parser, arguments.shell, root_prefix="reproml")
    script, begin = _SHELLS[arguments.shell]
    print(written.rpartition(begin)[0] + script.replace("PACKAGE", package))
    return 0
