"""python -m tgenn_gen: the command tgenn."""

import sys

from tgenn_gen.cli.main import main

sys.exit(main())
