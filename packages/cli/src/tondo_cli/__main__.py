"""``python -m tondo_cli`` is ``tondo``."""

from __future__ import annotations

import sys

from tondo_cli.main import main

sys.exit(main())
