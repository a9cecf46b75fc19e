"""The unified intermediate representation: graph functions, tensor functions and scalar expressions in one module.

The grammar stands in ``grammar.md`` beside this file.
"""

from __future__ import annotations

from tondo.ir.attrs import EMPTY, Attrs, AttrValue, freeze
from tondo.ir.buffer import CONSTANT, GLOBAL, LOCAL, Buffer, Range, Region, dims, point, whole
from tondo.ir.compute import Combiner, Compute, free_vars, identity, nest, point_regions
from tondo.ir.dtype import BOOL, FLOAT32, FLOAT64, HANDLE, INT8, INT32, INT64, UINT8, DType, dtype
from tondo.ir.expr import (
    Binary, Broadcast, Cast, Compare, Const, Expr, ExprLike, Intrin, Load, Ramp, Select, Unary, Var, add, all_of, as_expr,
    binary, cast, ceildiv, compare, const, floordiv, floormod, intrin, is_const, logical_and, logical_or, maximum,
    minimum, mul, negate, select, sub,
)
from tondo.ir.function import Function, GraphFunction, TensorFunction
from tondo.ir.graph import (
    Atom, Binding, Call, CallDps, CallGraph, CallPacked, ConstantRef, GraphRegion, GraphVar, IfRegion, LoopRegion,
    MatchShape, Operation, ShapeValue,
)
from tondo.ir.intrinsics import INTRINSICS, IntrinsicInfo
from tondo.ir.module import ConstantData, IRModule
from tondo.ir.node import Node, node, rebuild, rewrite, walk
from tondo.ir.op import OpCall, Operator
from tondo.ir.stmt import (
    Allocate, Assert, Block, Evaluate, For, If, Invoke, IterVar, LOOP_KINDS, Let, LoopKind, Seq, Stmt, Store, View, While, seq,
)
from tondo.ir.types import FunctionType, ObjectType, ScalarType, ShapeType, TensorType, TupleType, Type
from tondo.ir.visit import definitions, digest, rename, simplify_with, substitute

__all__ = [
    "BOOL", "CONSTANT", "EMPTY", "FLOAT32", "FLOAT64", "GLOBAL", "HANDLE", "INT8", "INT32", "INT64", "INTRINSICS", "LOCAL", "LOOP_KINDS", "UINT8",
    "Allocate", "Assert", "Atom", "AttrValue", "Attrs", "Binary", "Binding", "Block", "Broadcast", "Buffer", "Call",
    "CallDps", "CallGraph", "CallPacked", "Cast", "Combiner", "Compare", "Compute", "Const", "ConstantData",
    "ConstantRef", "DType", "Evaluate", "Expr", "ExprLike", "For", "Function", "FunctionType", "GraphFunction",
    "GraphRegion", "GraphVar", "IRModule", "If", "IfRegion", "Intrin", "IntrinsicInfo", "Invoke", "IterVar", "Let",
    "Load", "LoopKind", "LoopRegion", "MatchShape", "Node", "ObjectType", "OpCall", "Operation", "Operator", "Ramp",
    "Range", "Region", "ScalarType", "Select", "Seq", "ShapeType", "ShapeValue", "Stmt", "Store", "TensorFunction",
    "TensorType", "TupleType", "Type", "Unary", "Var", "View", "While", "add", "all_of", "as_expr", "binary", "cast", "ceildiv",
    "compare", "const", "definitions", "digest", "dims", "dtype", "floordiv", "floormod", "free_vars", "freeze", "identity", "intrin",
    "is_const", "logical_and", "logical_or", "maximum", "minimum", "mul", "negate", "nest", "node", "point", "point_regions",
    "rebuild", "rename", "rewrite", "select", "seq", "simplify_with", "sub", "substitute", "walk", "whole",
]
