"""The harness for passes: what a pass is, what it may use, how a pipeline runs and is watched.

The passes themselves are plugins.
"""

from __future__ import annotations

from tondo.passes.base import Pass
from tondo.passes.context import PRECISIONS, Evaluate, Numerics, PassContext, Precision
from tondo.passes.harness import Verifier, Verify, run_pipeline
from tondo.passes.instruments import Dump, Instrument, Parser, Printer, Progress, RoundTrip, Step, TimePasses
from tondo.passes.kernel_compiler import KernelCompiler
from tondo.passes.library import Library, LibraryCode, Offer
from tondo.passes.reporter import CollectingReporter, Reporter, SilentReporter
from tondo.passes.rule import Choice, Miss, RecordedChoices, RuleContext, ScheduleRule
from tondo.passes.timing import Span, Timing
from tondo.passes.trial import Times, Trials

__all__ = [
    "PRECISIONS",
    "Choice",
    "CollectingReporter",
    "Dump",
    "Evaluate",
    "Instrument",
    "KernelCompiler",
    "Library",
    "LibraryCode",
    "Miss",
    "Numerics",
    "Offer",
    "Parser",
    "Pass",
    "PassContext",
    "Precision",
    "Printer",
    "Progress",
    "RecordedChoices",
    "Reporter",
    "RoundTrip",
    "RuleContext",
    "ScheduleRule",
    "SilentReporter",
    "Span",
    "Step",
    "TimePasses",
    "Times",
    "Timing",
    "Trials",
    "Verifier",
    "Verify",
    "run_pipeline",
]
