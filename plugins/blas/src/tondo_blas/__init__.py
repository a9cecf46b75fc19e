"""OpenBLAS as a library of the compiler; :mod:`tondo_blas.runtime` is all that a compiled model needs of it."""

from __future__ import annotations
