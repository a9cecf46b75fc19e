"""Load and run compiled Tondo models: ``model = tondo_runtime.load("model.tondo"); y = model(x)``. Needs numpy only."""

from __future__ import annotations

from tondo_runtime.artifact import Artifact, write_artifact
from tondo_runtime.errors import RuntimeFailure
from tondo_runtime.functions.random import seed
from tondo_runtime.manifest import (
    CodeSpec,
    ConstantSpec,
    Manifest,
    SymbolSpec,
    TargetSpec,
    TensorSpec,
)
from tondo_runtime.profile import KernelTime, Profile
from tondo_runtime.registry import PackedFunction, call_native, get, names, register, register_native, remove
from tondo_runtime.session import Session, load

__version__ = "0.1.0"

__all__ = [
    "Artifact",
    "CodeSpec",
    "ConstantSpec",
    "KernelTime",
    "Manifest",
    "PackedFunction",
    "Profile",
    "RuntimeFailure",
    "Session",
    "SymbolSpec",
    "TargetSpec",
    "TensorSpec",
    "call_native",
    "get",
    "load",
    "names",
    "register",
    "register_native",
    "remove",
    "seed",
    "write_artifact",
]
