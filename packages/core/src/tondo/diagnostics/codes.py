"""Every error code, with its title and the process exit status that it leads to.

A code is never reused. Exit statuses: 2 usage, 3 model, 4 configuration or script, 5 plugin, 6 safety,
7 artifact, 8 compilation, 9 execution. 70 is an internal error (a defect of Tondo).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of error: ``id`` is stable, ``title`` is a short noun phrase, ``exit_status`` is for processes."""

    id: str
    title: str
    exit_status: int


_TABLE = (
    # usage
    Code("TND-U001", "unknown input name", 2),
    Code("TND-U002", "wrong input shape", 2),
    Code("TND-U003", "wrong input dtype", 2),
    Code("TND-U004", "missing input", 2),
    Code("TND-U005", "invalid argument", 2),
    Code("TND-U006", "file not found", 2),
    Code("TND-U007", "unknown target", 2),
    Code("TND-U008", "cache not usable", 2),
    # model
    Code("TND-M001", "not a model file", 3),
    Code("TND-M002", "damaged model file", 3),
    Code("TND-M003", "unsupported operators", 3),
    Code("TND-M004", "invalid model", 3),
    Code("TND-M005", "unsupported type", 3),
    Code("TND-M006", "invalid operator arguments", 3),
    # configuration and script
    Code("TND-C001", "invalid configuration", 4),
    Code("TND-C002", "unknown key", 4),
    Code("TND-C003", "unknown pass", 4),
    Code("TND-C004", "unknown component", 4),
    Code("TND-C005", "invalid YAML", 4),
    Code("TND-C006", "operators not loaded", 4),
    Code("TND-C007", "nothing to replace", 4),
    Code("TND-S001", "script syntax", 4),
    Code("TND-S002", "unknown name in script", 4),
    Code("TND-S003", "script type error", 4),
    # plugins
    Code("TND-P001", "plugin failed to load", 5),
    Code("TND-P002", "plugin name clash", 5),
    Code("TND-P003", "incompatible plugin", 5),
    Code("TND-P004", "invalid hook implementation", 5),
    Code("TND-P005", "plugins differ from the lock", 5),
    # safety
    Code("TND-X001", "path outside the model's folder", 6),
    Code("TND-X002", "size limit exceeded", 6),
    Code("TND-X003", "size arithmetic overflow", 6),
    # artifact
    Code("TND-A001", "damaged artifact", 7),
    Code("TND-A002", "artifact for another CPU", 7),
    Code("TND-A003", "artifact of a newer format", 7),
    Code("TND-A004", "artifact needs a component", 7),
    # compilation
    Code("TND-B001", "invalid intermediate representation", 8),
    Code("TND-B002", "pass contract broken", 8),
    Code("TND-B003", "schedule refused", 8),
    Code("TND-B004", "code generation failed", 8),
    Code("TND-B005", "no code generator for the target", 8),
    Code("TND-B006", "library cannot be used", 8),
    # execution
    Code("TND-R001", "foreign function failed", 9),
    Code("TND-R002", "unknown foreign function", 9),
    Code("TND-R003", "execution failed", 9),
    # defects
    Code("TND-Z001", "internal error", 70),
)

CODES: dict[str, Code] = {code.id: code for code in _TABLE}
