"""What the folder of a run may make this project do. Anyone may have made that folder and sent it to you.

names.py checks the classes, interpolations and environment variables that it asks for, places.py where it has files
written and points classes at, inputs.py what it has read, links.py the links in it. The option in flag.py lifts all of
them.
"""

from .flag import FLAG, accept, given
from .inputs import check_inputs
from .links import check_links
from .names import check_names
from .places import check_arguments, check_places, written

__all__ = [
    "FLAG",
    "accept",
    "check_arguments",
    "check_inputs",
    "check_links",
    "check_names",
    "check_places",
    "given",
    "written",
]
