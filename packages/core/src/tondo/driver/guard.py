"""A plugin's component at work: whatever it raises unasked becomes an internal error that names it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tondo.diagnostics import Diagnostic, TondoError
from tondo_runtime import RuntimeFailure


@contextmanager
def guard(what: str) -> Generator[None]:
    """Run the body of a ``with`` statement for ``what``, such as ``"the frontend 'onnx'"``.

    Raises:
        TondoError: those of the body unchanged, and TND-Z001 for any other exception.
    """
    try:
        yield
    except (TondoError, RuntimeFailure):
        raise
    except Exception as error:
        diagnostic = Diagnostic(
            "TND-Z001",
            f"{what} failed",
            notes=(f"{type(error).__name__}: {error}",),
            help="this is a defect of the component; please report it with the model and the pipeline",
        )
        raise TondoError(diagnostic) from error
