from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from tondo.driver.compile import Tools
from tondo.driver.environment import Environment
from tondo.ir import FLOAT32, Attrs, Const, ConstantData, GraphFunction, GraphVar, IRModule, TensorType, Var, dims
from tondo.passes import CollectingReporter, Miss
from tondo.plugin import CompiledCode, Extensions, ObjectCode, PassSpec, Pipeline, PluginReport
from tondo.target import BASELINE_PROVIDERS

N = Var("n")


@dataclass
class ToyFrontend:
    """Reads ``*.toy``: a text file whose content becomes an attribute of an identity function."""

    loads: list = field(default_factory=list)
    name: str = "toy"
    suffixes: tuple = (".toy",)

    def claims(self, source):
        return isinstance(source, Path) and source.suffix == ".toy"

    def load(self, source, options):
        self.loads.append((source, options))
        return identity(text=source.read_text())


class DigestingFrontend(ToyFrontend):
    def digest(self, source, options):
        return source.read_text()


@dataclass(frozen=True, slots=True)
class Lower:
    """Describes the entry function, as the last pass of a pipeline does."""

    name: ClassVar[str] = "toy.lower"
    requires: ClassVar[frozenset[str]] = frozenset({"graph"})
    ensures: ClassVar[frozenset[str]] = frozenset({"lowered"})
    scale: int = 1

    def run(self, module, context):
        tensor = {"dtype": "float32", "shape": (N, Const(3))}
        attrs = module.attrs.with_(
            symbols=("n",),
            inputs=({"name": "x", **tensor},),
            outputs=({"name": "y", **tensor},),
            constants=("w",),
            workspace=N * 64,
            seen=(context.target.kind, context.numerics.float32_matmul, self.scale),
        )
        return module.with_attrs(attrs).with_constants({"w": ConstantData(np.full(2, self.scale, np.float32))})


@dataclass
class ToyCodegen:
    """Makes bytes that only the sessions of these tests understand."""

    name: str = "toy"
    links: bool = False
    compiled: list = field(default_factory=list)
    version: str = "1"

    def supports(self, target):
        return target.kind == "cpu"

    def digest(self):
        return self.version

    def compile(self, module, target, options, context):
        self.compiled.append((module, target, dict(options), context))
        return CompiledCode((ObjectCode("all", b"code"),), ("k",), (), frozenset())

    def link(self, code, target):
        return (
            CompiledCode((ObjectCode("all", b"linked", "shared"),), code.kernels) if self.links else Miss("no linker")
        )


class ToySession:
    """Stands for a session of the runtime."""

    made: ClassVar[list] = []

    def __init__(self, manifest, code, weights, threads=None):
        self.manifest, self.code, self.weights, self.threads = manifest, dict(code), weights, threads
        self.inputs, self.outputs = manifest.inputs, manifest.outputs
        ToySession.made.append(self)


def identity(**attrs):
    x = GraphVar("x", TensorType(dims((N, 3)), FLOAT32))
    return IRModule.of(GraphFunction("main", (x,), (), (x,)), attrs=Attrs(**attrs))


@dataclass
class World:
    """Extensions and tools for one test."""

    folder: Path
    frontend: ToyFrontend = field(default_factory=ToyFrontend)
    codegen: ToyCodegen = field(default_factory=ToyCodegen)
    reporter: CollectingReporter = field(default_factory=CollectingReporter)

    @property
    def extensions(self):
        return Extensions(
            frontends={"toy": self.frontend},
            passes={"toy.lower": Lower},
            pipelines={"cpu": Pipeline("cpu", (PassSpec("toy.lower"),))},
            targets={provider.name: provider for provider in BASELINE_PROVIDERS},
            codegens={"toy": self.codegen},
            plugins=(PluginReport("toy", "tondo-toy", "3.1", "loaded"),),
        )

    def tools(self, cache=True, **more):
        folder = self.folder / "cache" if cache else None
        return Tools(reporter=self.reporter, environment=Environment("", folder), **more)

    def digesting_frontend(self):
        return DigestingFrontend()

    def model(self, text="content", name="net.toy"):
        path = self.folder / name
        path.write_text(text)
        return path


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setattr("tondo.driver.compile.Session", ToySession)
    ToySession.made.clear()
    return World(tmp_path)
