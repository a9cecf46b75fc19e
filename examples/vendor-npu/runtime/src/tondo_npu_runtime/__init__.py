"""Runtime of the example accelerator: loads instruction streams, simulates them, counts cycles.

Needs numpy and ``tondo_runtime``; the compiler is not needed where a model runs.
"""

from __future__ import annotations

from tondo_npu_runtime.profile import KernelReport, Report, profile

__all__ = ["KernelReport", "Report", "__version__", "profile"]

__version__ = "0.1.0"
