"""The model of a pipeline file: every key, its type, its default.

An example::

    tondo: 1
    model:      {path: resnet50.onnx, inputs: {data: [batch, 3, 224, 224]}}
    target:     {kind: cpu, cpu: native, threads: 2}
    numerics:   {float32_matmul: highest}
    dimensions: {batch: {min: 1, max: 64, prefer: [1]}}
    ops:        [my_operators.py]
    passes:
      - graph.fold_constants
      - {use: graph.fuse, max_ops: 64}
    codegen:    {use: llvm, opt_level: 3}
    verify:     ensured
    cache:      true

Keys that are not listed here are refused. Loading a file, with places in every error, is
:mod:`tondo.driver.config_file`; checking names against what plugins brought is :mod:`tondo.driver.pipeline`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema

from tondo.diagnostics import TondoError
from tondo.passes import Precision, Verify
from tondo.target import target_fields

MAX_RANK: Final = 32
MAX_DIM: Final = 1 << 40
MAX_PREFERRED: Final = 16

_STRICT: Final = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)
_WITH_OPTIONS: Final = ConfigDict(extra="allow", strict=True, frozen=True, use_attribute_docstrings=True)

Name = Annotated[str, Field(min_length=1, max_length=256)]


def _dim(value: object) -> object:
    if isinstance(value, str) and value.isidentifier():
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_DIM:
        return value
    msg = f"should be a size or the name of a dimension, not {value!r}"
    raise ValueError(msg)


def _attribute(value: object) -> object:
    if isinstance(value, bool | int | float | str):
        return value
    msg = "should be a number, a text, or true or false"
    raise ValueError(msg)


# Checked by functions, not as unions: pydantic names the branches of a union in the places of its errors.
Dim = Annotated[
    int | str,
    PlainValidator(_dim),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0, "maximum": MAX_DIM}, {"type": "string"}]}),
]
AttributeValue = Annotated[
    bool | int | float | str,
    PlainValidator(_attribute),
    WithJsonSchema({"type": ["boolean", "integer", "number", "string"]}),
]


class ModelConfig(BaseModel):
    """What to compile."""

    model_config = _STRICT

    path: Name | None = None
    """File of the model, relative to the pipeline file; may be left out where the model is given otherwise."""
    name: Name | None = None
    """Name of the compiled module."""
    inputs: dict[Name, Annotated[list[Dim], Field(max_length=MAX_RANK)]] = Field(default_factory=dict)
    """Shapes by input name; a dimension is a size or the name of a symbolic dimension."""
    options: dict[Name, JsonValue] = Field(default_factory=dict)
    """Options of the frontend that reads the model."""


class TargetConfig(BaseModel):
    """What to compile for."""

    model_config = _STRICT

    kind: Name = "cpu"
    """``cpu``, ``interp`` or a kind that a plugin brings."""
    cpu: Name = "native"
    """``native`` for this machine, or a name that a plugin knows."""
    threads: Annotated[int, Field(ge=1, le=4096)] | None = None
    """How many threads one call uses; as many as can run at once if left out."""
    features: list[Name] = Field(default_factory=list)
    """Changes to the CPU's features, such as ``+avx2`` or ``-avx512f``."""
    attrs: dict[Name, AttributeValue] = Field(default_factory=dict)
    """Further facts that a target plugin documents."""


class NumericsConfig(BaseModel):
    """How exact results must be."""

    model_config = _STRICT

    float32_matmul: Precision = "highest"
    """``highest``: IEEE float32; ``high``: as sums of bfloat16 products; ``medium``: bfloat16 products."""


class DimensionConfig(BaseModel):
    """Bounds of a symbolic dimension, and sizes of it that deserve code of their own."""

    model_config = _STRICT

    min: Annotated[int, Field(ge=0, le=MAX_DIM)] | None = None
    """Smallest size; 0 if left out, where the model permits that, else 1."""
    max: Annotated[int, Field(ge=0, le=MAX_DIM)] | None = None
    """Largest size; unbounded if left out."""
    prefer: Annotated[list[Annotated[int, Field(ge=1, le=MAX_DIM)]], Field(max_length=MAX_PREFERRED)] = Field(
        default_factory=list
    )
    """Sizes that get a faster version of the model, beside the one for any size, in the same artifact."""

    @property
    def fixed(self) -> bool:
        """Whether there is one size only."""
        return self.max is not None and self.max == (self.min or 0)

    @model_validator(mode="after")
    def _ordered(self) -> DimensionConfig:
        if self.max is not None and self.min is not None and self.max < self.min:
            msg = f"should have max >= min, not {self.max} < {self.min}"
            raise ValueError(msg)
        for size in self.prefer:
            if (self.min is not None and size < self.min) or (self.max is not None and size > self.max):
                msg = f"should prefer sizes between min and max, not {size}"
                raise ValueError(msg)
        if len(set(self.prefer)) != len(self.prefer):
            msg = "should prefer each size once"
            raise ValueError(msg)
        return self


class PassConfig(BaseModel):
    """One pass with its options; the options are those fields of the pass that differ from its defaults."""

    model_config = _WITH_OPTIONS

    use: Name
    """Registered name of the pass."""


class CodegenConfig(BaseModel):
    """The code generator with its options."""

    model_config = _WITH_OPTIONS

    use: Name | None = None
    """Registered name; the only one that supports the target if left out."""


def _use(value: object) -> object:
    return {"use": value} if isinstance(value, str) else value


def _target(value: object) -> object:
    """Take the short form of a target apart."""
    if not isinstance(value, str):
        return value
    try:
        return target_fields(value)
    except TondoError as error:
        raise ValueError(f"is {error.diagnostics[0].message}") from None


def _range(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return {"min": value, "max": value}
    return value


@dataclass(frozen=True, slots=True)
class _Short:
    """Says in the JSON Schema that a value may also be written in a short form of the type ``kind``."""

    kind: str

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, object]:
        """Return the schema of either form."""
        return {"anyOf": [{"type": self.kind}, handler(core_schema)]}


PassEntry = Annotated[PassConfig, BeforeValidator(_use), _Short("string")]
TargetEntry = Annotated[TargetConfig, BeforeValidator(_target), _Short("string")]
CodegenEntry = Annotated[CodegenConfig, BeforeValidator(_use), _Short("string")]
DimensionEntry = Annotated[DimensionConfig, BeforeValidator(_range), _Short("integer")]


class Config(BaseModel):
    """A pipeline file."""

    model_config = _STRICT

    tondo: Literal[1] = 1
    """Version of the file format."""
    model: ModelConfig = Field(default_factory=ModelConfig)
    """What to compile."""
    target: TargetEntry = Field(default_factory=TargetConfig)
    """What to compile for, such as ``native``, ``cpu=haswell``, ``interp``, or the mapping."""
    numerics: NumericsConfig = Field(default_factory=NumericsConfig)
    """How exact results must be."""
    dimensions: dict[Name, DimensionEntry] = Field(default_factory=dict)
    """Bounds and preferred sizes of symbolic dimensions; a number fixes the dimension."""
    ops: list[Name] = Field(default_factory=list)
    """Python files with operators, relative to the pipeline file; ``FILE:NAME`` takes one of them. They are run."""
    passes: list[PassEntry] | None = None
    """The passes in order; the default pipeline of the target's kind if left out."""
    codegen: CodegenEntry = Field(default_factory=CodegenConfig)
    """The code generator."""
    verify: Verify = "ensured"
    """How much the harness verifies: ``ensured``, ``each-pass`` or ``never``."""
    cache: bool = True
    """Whether a compiled artifact may be taken from, and put into, the cache of this user."""


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a pipeline file, for editors."""
    schema = Config.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Tondo pipeline", **schema}
