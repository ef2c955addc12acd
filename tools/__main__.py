"""``python -m tools``: the command line where the installed command is not at hand."""

import sys

from tools.cli import main

sys.exit(main())
