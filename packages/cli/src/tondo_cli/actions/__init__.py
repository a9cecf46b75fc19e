"""What the commands do.

A module of :mod:`tondo_cli.commands` says which options there are, the one of the same name here does the work: so
that asking for help loads neither the compiler nor numpy.
"""

from __future__ import annotations
