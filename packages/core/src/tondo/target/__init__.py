"""Targets and what they can do: machine facts, providers of targets, declarations of instructions."""

from __future__ import annotations

from tondo.target.baseline import BASELINE_PROVIDERS, BaselineCpu, Interpreter
from tondo.target.host import host_architecture, host_caches, host_features, host_threads, host_triple
from tondo.target.intrinsic import Instruction, Intrinsic, IntrinsicFamily, LlvmCall, Operand
from tondo.target.parse import TargetSpec, parse_target, target_fields
from tondo.target.provider import TargetProvider, change_features
from tondo.target.target import Attribute, Caches, Target

__all__ = [
    "BASELINE_PROVIDERS",
    "Attribute",
    "BaselineCpu",
    "Caches",
    "Instruction",
    "Interpreter",
    "Intrinsic",
    "IntrinsicFamily",
    "LlvmCall",
    "Operand",
    "Target",
    "TargetProvider",
    "TargetSpec",
    "change_features",
    "host_architecture",
    "host_caches",
    "host_features",
    "host_threads",
    "host_triple",
    "parse_target",
    "target_fields",
]
