"""What the folder of a run may have this project do. Anyone may have made it, and sent it to you.

names.py looks at the classes, interpolations and environment variables that it asks for, places.py at where it has
files written, links.py at the links in it. The option of flag.py lifts all three.
"""

from .flag import FLAG, accept, given
from .links import check_links
from .names import check_names
from .places import check_places, written

__all__ = ["FLAG", "accept", "check_links", "check_names", "check_places", "given", "written"]
