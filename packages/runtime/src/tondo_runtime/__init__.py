"""Load and run compiled Tondo models: ``model = tondo_runtime.load("model.tondo"); y = model(x)``. Needs numpy only."""

from __future__ import annotations

from tondo_runtime.artifact import Artifact, write_artifact
from tondo_runtime.c_functions import register_c
from tondo_runtime.errors import RuntimeFailure
from tondo_runtime.functions.random import seed
from tondo_runtime.introspection import FunctionInfo, describe, list_functions
from tondo_runtime.libraries import register_library
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
from tondo_runtime.values import Device, Pointer

__version__ = "0.1.0"

__all__ = [
    "Artifact",
    "CodeSpec",
    "ConstantSpec",
    "Device",
    "FunctionInfo",
    "KernelTime",
    "Manifest",
    "PackedFunction",
    "Pointer",
    "Profile",
    "RuntimeFailure",
    "Session",
    "SymbolSpec",
    "TargetSpec",
    "TensorSpec",
    "call_native",
    "describe",
    "get",
    "list_functions",
    "load",
    "names",
    "register",
    "register_c",
    "register_library",
    "register_native",
    "remove",
    "seed",
    "write_artifact",
]
