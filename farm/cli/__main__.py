"""``python -m farm.cli``: the ``farm`` command where its script is not on the path."""

import sys

from farm.cli import main

sys.exit(main())
