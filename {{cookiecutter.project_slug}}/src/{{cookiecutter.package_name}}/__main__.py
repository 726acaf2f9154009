"""The commands about runs, under this project's name: `python -m <package> verify outputs/<date>/<time>-<id>`."""

import sys

from reproml.interrupts import end_in_one_line

end_in_one_line(__name__)
from reproml.__main__ import main

if __name__ == "__main__":
    sys.exit(main(str(__package__)))
