"""The glue of one model: functions of the safe-call convention around the entry function, as LLVM IR.

``__tvm_ffi_NAME`` takes the inputs, and either the outputs to write into, or nothing more: then it makes tensors and
returns one, or an array of several. It binds the symbolic dimensions, checks every shape against them, makes the
arguments of the entry function (symbols, inputs, constants, outputs, workspace) and calls it. ``__tvm_ffi_set_threads``
sets how many threads a call uses. ``__tvm_ffi__metadata_NAME`` and ``__tvm_ffi__doc_NAME`` describe the function.

What cannot be served is refused by :func:`tondo_tvm_ffi.aot.describe.refusal`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tondo_runtime import Manifest, TensorSpec
from tondo_runtime.abi import ABI_VERSION, ObjectIndex, TypeIndex
from tondo_runtime.dims import Dim, DimTree, format_dim
from tondo_runtime.dtypes import DType, dtype_of
from tondo_tvm_ffi.aot.describe import documentation_of, metadata_of
from tondo_tvm_ffi.aot.memory import MEMORY
from tondo_tvm_ffi.aot.support import SPEC, SUPPORT, TENSOR
from tondo_tvm_ffi.aot.text import Body, Constants
from tondo_tvm_ffi.imports import SCHEME

WEIGHTS: Final = "tondo_weights"
"""Symbol of the constants' memory."""
_CONTEXT_BYTES: Final = 88
_PACKED_BYTES: Final = 16


def glue_ir(manifest: Manifest, offsets: Mapping[str, int], name: str, threads: int) -> str:
    """Return the LLVM module of the glue.

    Args:
        manifest: the model, which is not refused.
        offsets: where each constant lies in the memory :data:`WEIGHTS`.
        name: of the exported function.
        threads: how many threads a call uses at first.
    """
    constants = Constants()
    main = _Main(manifest, offsets, name, constants).text()
    texts = [_text(f"_metadata_{name}", metadata_of(manifest, name), constants)]
    texts.append(_text(f"_doc_{name}", documentation_of(manifest, name), constants))
    return "\n".join(
        [
            f'target triple = "{manifest.target.triple}"',
            SUPPORT,
            MEMORY,
            f"@threads = internal global i32 {threads}",
            f"@{WEIGHTS} = external hidden global i8",
            f"declare i32 @{manifest.entry_symbol}(ptr, ptr, i32, ptr)",
            *constants.lines,
            main,
            *texts,
        ]
    )


def _text(name: str, content: str, constants: Constants) -> str:
    """Return a function without arguments whose result is ``content``."""
    size = len(content.encode())
    array = constants.value(f"{{ ptr, i64 }} {{ ptr {constants.string(content)}, i64 {size} }}", 8)
    return (
        f"define i32 @__tvm_ffi_{name}(ptr %handle, ptr %args, i32 %n, ptr %result) {{\n"
        f"  %rc = call i32 @TVMFFIStringFromByteArray(ptr {array}, ptr %result)\n  ret i32 %rc\n}}\n"
    )


class _Main:
    """Writes the exported function."""

    def __init__(self, manifest: Manifest, offsets: Mapping[str, int], name: str, constants: Constants) -> None:
        self.manifest = manifest
        self.offsets = offsets
        self.name = name
        self.constants = constants
        self.body = Body()
        self.symbols: dict[str, str] = {}
        self.flag = self.body.alloca("i8")
        self.outputs: list[str] = []
        self.shapes: list[str] = []
        self.objects: list[str] = []

    def text(self) -> str:
        """Return the function."""
        inputs, outputs = self.manifest.inputs, self.manifest.outputs
        body = self.body
        memory = self._slot("ptr null")
        rc = self._slot("i32 -1")
        packed = self._packed()
        body.do(f"store i8 0, ptr {self.flag}")
        given = body.value(f"icmp eq i32 %n, {len(inputs) + len(outputs)}")
        wanted = body.value(f"icmp eq i32 %n, {len(inputs)}")
        neither = body.value(f"xor i1 {body.value(f'or i1 {given}, {wanted}')}, true")
        takes = f"'{self.name}' takes {len(inputs)} tensors, and may be given {len(outputs)} more to write into"
        wide = body.value("sext i32 %n to i64")
        body.fail_if(neither, self._raise("type", f"{takes}, not %lld arguments", wide))
        views = [self._take(place, f"input '{_plain(spec.name)}'", spec) for place, spec in enumerate(inputs)]
        self._bind(views)
        for view, spec in zip(views, inputs, strict=True):
            self._check_shape(view, f"input '{_plain(spec.name)}'", spec)
        sizes = [self._bytes(spec, self._dims(spec)) for spec in inputs]
        results = [self._expected(spec) for spec in outputs]
        workspace = self._dim(self.manifest.workspace)
        over = body.value(f"icmp ne i8 {body.value(f'load i8, ptr {self.flag}')}, 0")
        body.fail_if(over, self._raise("overflow", f"sizes of '{self.name}' do not fit 64 bits"))
        body.do(f"br i1 {given}, label %given, label %made")
        body.label("given")
        self._take_outputs(views, sizes, results)
        body.do("br label %ready")
        body.label("made")
        self._make_outputs(results)
        body.do("br label %ready")
        body.label("ready")
        scratch = body.value(f"call ptr @scratch.take(i64 {workspace})")
        body.fail_if(body.value(f"icmp eq ptr {scratch}, null"))
        body.do(f"store ptr {scratch}, ptr {memory}")
        table = self._table(views, scratch, workspace)
        context, record = self._context(packed)
        count = self._count()
        answer = body.alloca("%any")
        code = body.value(
            f"call i32 @{self.manifest.entry_symbol}(ptr {context}, ptr {table}, i32 {count}, ptr {answer})"
        )
        with_text = self.constants.string(f"the model '{_plain(self.manifest.name)}' failed: %s")
        without = self.constants.string(f"the model '{_plain(self.manifest.name)}' failed with status %lld")
        failed = body.name()
        body.fail_if(
            body.value(f"icmp ne i32 {code}, 0"),
            f"%told{failed} = call i32 @failed(ptr {record}, ptr {with_text}, ptr {without}, i32 {code})",
        )
        body.do(f"br i1 {given}, label %nothing, label %answer")
        body.label("nothing")
        body.do("store %any zeroinitializer, ptr %result, align 8")
        body.do(f"store i32 0, ptr {rc}")
        body.do("br label %leave")
        body.label("answer")
        body.do(f"store i32 {self._answer()}, ptr {rc}")
        body.do("br label %leave")
        body.label("leave")
        self._leave(memory, packed)
        body.do(f"ret i32 {body.value(f'load i32, ptr {rc}')}")
        return body.text(f"define i32 @__tvm_ffi_{self.name}(ptr %handle, ptr %args, i32 %n, ptr %result)")

    # -------------------------------------------------------------------------------------------- inputs and sizes

    def _slot(self, value: str) -> str:
        """Return memory that holds ``value`` from the beginning."""
        slot = self.body.alloca(value.split(maxsplit=1)[0])
        self.body.head.append(f"  store {value}, ptr {slot}")
        return slot

    def _raise(self, kind: str, message: str, a: str = "0", b: str = "0") -> str:
        text = self.constants.string(message)
        return f"%raised{self.body.name()} = call i32 @fail(ptr @kind.{kind}, ptr {text}, i64 {a}, i64 {b})"

    def _take(self, place: int, what: str, spec: TensorSpec) -> str:
        """Return the view of an argument after its kind, element type, rank and layout are checked."""
        body, dtype = self.body, spec.type
        messages = [
            f"the {what} of '{self.name}' is no tensor (type code %lld)",
            f"the {what} of '{self.name}' lies on device type %lld, not in CPU memory",
            f"the {what} of '{self.name}' has another element type than {spec.dtype}",
            f"the {what} of '{self.name}' has %lld dimensions instead of {len(spec.shape)}",
            f"the {what} of '{self.name}' is not row-major",
            f"the {what} of '{self.name}' is not aligned to its elements",
        ]
        texts = ", ".join(f"ptr {self.constants.string(message)}" for message in messages)
        table = self.constants.value(
            f"{SPEC} {{ i32 {_word(dtype)}, i32 {len(spec.shape)}, i64 {dtype.itemsize}, {texts} }}", 8
        )
        view = body.value(f"call ptr @take(ptr {body.at('%args', 16 * place)}, ptr {table})")
        body.fail_if(body.value(f"icmp eq ptr {view}, null"))
        return view

    def _bind(self, views: Sequence[str]) -> None:
        """Read every symbol off the first input that has it as a dimension, and check its bounds."""
        body = self.body
        for symbol in self.manifest.symbols:
            view, axis, spec = next(
                (view, axis, spec)
                for view, spec in zip(views, self.manifest.inputs, strict=True)
                for axis, dim in enumerate(spec.shape)
                if dim == symbol.name
            )
            size = body.value(f"call i64 @extent(ptr {view}, i64 {axis})")
            self.symbols[symbol.name] = size
            where = f"dimension {axis} of the input '{_plain(spec.name)}' of '{self.name}'"
            place = f"{where} is %lld, '{_plain(symbol.name)}' has to be"
            low = body.value(f"icmp slt i64 {size}, {symbol.minimum}")
            body.fail_if(low, self._raise("value", f"{place} at least {symbol.minimum}", size))
            if symbol.maximum is not None:
                high = body.value(f"icmp sgt i64 {size}, {symbol.maximum}")
                body.fail_if(high, self._raise("value", f"{place} at most {symbol.maximum}", size))

    def _dim(self, dim: Dim) -> str:
        if isinstance(dim, int):
            return str(dim)
        if isinstance(dim, DimTree):
            left, right = self._dim(dim.left), self._dim(dim.right)
            return self.body.value(f"call i64 @size.{dim.operator}(i64 {left}, i64 {right}, ptr {self.flag})")
        return self.symbols[dim]

    def _dims(self, spec: TensorSpec) -> list[str]:
        return [self._dim(dim) for dim in spec.shape]

    def _bytes(self, spec: TensorSpec, dims: Sequence[str]) -> str:
        size = str(spec.type.itemsize)
        for dim in dims:
            size = self.body.value(f"call i64 @size.mul(i64 {size}, i64 {dim}, ptr {self.flag})")
        return size

    def _check_shape(self, view: str, what: str, spec: TensorSpec) -> None:
        for axis, dim in enumerate(spec.shape):
            size = self.body.value(f"call i64 @extent(ptr {view}, i64 {axis})")
            if size == self.symbols.get(str(dim)):
                continue
            wanted = self._dim(dim)
            reason = "" if isinstance(dim, int) else f" ({_plain(format_dim(dim))})"
            message = f"dimension {axis} of the {what} of '{self.name}' is %lld instead of %lld{reason}"
            other = self.body.value(f"icmp ne i64 {size}, {wanted}")
            self.body.fail_if(other, self._raise("value", message, size, wanted))

    # -------------------------------------------------------------------------------------------- outputs

    def _expected(self, spec: TensorSpec) -> tuple[str, str]:
        """Return the shape of an output as an array in memory, and its bytes; negative sizes are refused."""
        body = self.body
        dims = self._dims(spec)
        shape = body.alloca(f"[{max(len(dims), 1)} x i64]")
        for axis, size in enumerate(dims):
            message = f"dimension {axis} of the output '{_plain(spec.name)}' of '{self.name}' would be %lld"
            if not isinstance(spec.shape[axis], int):
                body.fail_if(body.value(f"icmp slt i64 {size}, 0"), self._raise("value", message, size))
            body.do(f"store i64 {size}, ptr {body.at(shape, 8 * axis)}, align 8")
        self.outputs.append(self._slot("ptr null"))
        self.objects.append(self._slot("ptr null"))
        return shape, self._bytes(spec, dims)

    def _take_outputs(self, views: Sequence[str], sizes: Sequence[str], results: Sequence[tuple[str, str]]) -> None:
        """Check the outputs that are given: their shapes, and that they share no memory with others."""
        body = self.body
        others = list(zip(views, sizes, [f"input '{_plain(spec.name)}'" for spec in self.manifest.inputs], strict=True))
        first = len(views)
        for place, (spec, (_, size)) in enumerate(zip(self.manifest.outputs, results, strict=True)):
            what = f"output '{_plain(spec.name)}'"
            view = self._take(first + place, what, spec)
            self._check_shape(view, what, spec)
            for other, other_size, name in others:
                shared = body.value(f"call i1 @overlap(ptr {view}, i64 {size}, ptr {other}, i64 {other_size})")
                body.fail_if(shared, self._raise("value", f"the {what} of '{self.name}' shares memory with the {name}"))
            others.append((view, size, what))
            body.do(f"store ptr {view}, ptr {self.outputs[place]}")

    def _make_outputs(self, results: Sequence[tuple[str, str]]) -> None:
        body = self.body
        for place, (spec, (shape, size)) in enumerate(zip(self.manifest.outputs, results, strict=True)):
            made = f"i32 {_word(spec.type)}, i32 {len(spec.shape)}, ptr {shape}, i64 {size}"
            item = body.value(f"call ptr @new.tensor({made})")
            body.fail_if(body.value(f"icmp eq ptr {item}, null"))
            body.do(f"store ptr {item}, ptr {self.objects[place]}")
            body.do(f"store ptr {body.at(item, 24)}, ptr {self.outputs[place]}")

    def _answer(self) -> str:
        """Give the tensors away as the result, several of them as an array; returns the status."""
        body = self.body
        if len(self.objects) == 1:
            item = body.value(f"load ptr, ptr {self.objects[0]}")
            body.do(f"store i64 {int(ObjectIndex.TENSOR)}, ptr %result, align 8")
            body.do(f"store ptr {item}, ptr {body.at('%result', 8)}, align 8")
            body.do(f"store ptr null, ptr {self.objects[0]}")
            return "0"
        table = body.alloca(f"[{max(len(self.objects), 1)} x %any]")
        for place, slot in enumerate(self.objects):
            item = body.value(f"load ptr, ptr {slot}")
            body.do(f"store i64 {int(ObjectIndex.TENSOR)}, ptr {body.at(table, 16 * place)}, align 8")
            body.do(f"store ptr {item}, ptr {body.at(table, 16 * place + 8)}, align 8")
        function = self._function("ffi.Array")
        body.do("store %any zeroinitializer, ptr %result, align 8")
        code = body.value(
            f"call i32 @TVMFFIFunctionCall(ptr {function}, ptr {table}, i32 {len(self.objects)}, ptr %result)"
        )
        body.value(f"call i32 @TVMFFIObjectDecRef(ptr {function})")
        return code

    # -------------------------------------------------------------------------------------------- the call

    def _function(self, name: str) -> str:
        """Return the global function ``name`` of tvm-ffi; the call holds a reference."""
        body = self.body
        text = self.constants.value(
            f"{{ ptr, i64 }} {{ ptr {self.constants.string(name)}, i64 {len(name.encode())} }}", 8
        )
        found = self._slot("ptr null")
        code = body.value(f"call i32 @TVMFFIFunctionGetGlobal(ptr {text}, ptr {found})")
        body.fail_if(body.value(f"icmp ne i32 {code}, 0"))
        function = body.value(f"load ptr, ptr {found}")
        missing = f"'{self.name}' needs the function '{_plain(name)}', which tvm-ffi does not have"
        body.fail_if(body.value(f"icmp eq ptr {function}, null"), self._raise("runtime", missing))
        return function

    def _packed(self) -> list[str]:
        """Return where the foreign functions of the model are kept during the call."""
        return [self._slot("ptr null") for _ in self.manifest.packed]

    def _context(self, packed: Sequence[str]) -> tuple[str, str]:
        body = self.body
        entries = body.alloca(f"[{max(len(packed), 1)} x {{ ptr, ptr }}]")
        for place, (slot, name) in enumerate(zip(packed, self.manifest.packed, strict=True)):
            function = self._function(name.removeprefix(f"{SCHEME}:"))
            body.do(f"store ptr {function}, ptr {slot}")
            safe_call = body.value(f"load ptr, ptr {body.at(function, 24)}")
            body.do(f"store ptr {safe_call}, ptr {body.at(entries, _PACKED_BYTES * place)}")
            body.do(f"store ptr {function}, ptr {body.at(entries, _PACKED_BYTES * place + 8)}")
        record = self._slot("%record zeroinitializer")
        context = body.alloca(f"[{_CONTEXT_BYTES} x i8]")
        body.do(f"store [{_CONTEXT_BYTES} x i8] zeroinitializer, ptr {context}")
        threads = body.value("load i32, ptr @threads")
        pool = body.value(f"call ptr @threads.pool(i32 {threads})")
        fields = (
            (0, f"i32 {ABI_VERSION}"),
            (4, f"i32 {threads}"),
            (8, "ptr @tondo_pool_parallel_for"),
            (16, f"ptr {pool}"),
            (24, f"ptr {entries}"),
            (40, "ptr @tondo_clock_ns"),
            (48, "ptr @report"),
            (56, f"ptr {record}"),
            (80, "ptr @TVMFFIObjectDecRef"),
        )
        for offset, value in fields:
            body.do(f"store {value}, ptr {body.at(context, offset)}, align 4")
        return context, record

    def _count(self) -> int:
        manifest = self.manifest
        return len(manifest.symbols) + len(manifest.inputs) + len(manifest.constants) + len(manifest.outputs) + 1

    def _table(self, views: Sequence[str], scratch: str, workspace: str) -> str:
        """Return the arguments of the entry function."""
        body = self.body
        table = body.alloca(f"[{self._count()} x %any]")
        values: list[tuple[TypeIndex, str]] = [
            (TypeIndex.INT, f"i64 {self.symbols[symbol.name]}") for symbol in self.manifest.symbols
        ]
        pointers = [*views, *self._constant_views()]
        pointers += [body.value(f"load ptr, ptr {slot}") for slot in self.outputs]
        extents = body.alloca("[2 x i64]")
        body.do(f"store i64 {workspace}, ptr {extents}")
        body.do(f"store i64 1, ptr {body.at(extents, 8)}")
        last = body.alloca(TENSOR)
        head = f"ptr null, i32 1, i32 0, i32 1, i32 {_word(dtype_of('uint8'))}"
        body.do(f"store {TENSOR} {{ {head}, ptr null, ptr null, i64 0 }}, ptr {last}")
        body.do(f"store ptr {scratch}, ptr {last}")
        body.do(f"store ptr {extents}, ptr {body.at(last, 24)}")
        body.do(f"store ptr {body.at(extents, 8)}, ptr {body.at(last, 32)}")
        values += [(TypeIndex.DL_TENSOR_PTR, f"ptr {pointer}") for pointer in (*pointers, last)]
        for place, (code, value) in enumerate(values):
            body.do(f"store i64 {int(code)}, ptr {body.at(table, 16 * place)}, align 8")
            body.do(f"store {value}, ptr {body.at(table, 16 * place + 8)}, align 8")
        return table

    def _constant_views(self) -> list[str]:
        views: list[str] = []
        for spec in self.manifest.constants:
            shape = self.constants.numbers(spec.shape)
            data = f"getelementptr (i8, ptr @{WEIGHTS}, i64 {self.offsets[spec.name]})"
            head = f"ptr {data}, i32 1, i32 0, i32 {len(spec.shape)}, i32 {_word(spec.type)}"
            views.append(self.constants.value(f"{TENSOR} {{ {head}, ptr {shape}, ptr null, i64 0 }}", 8))
        return views

    def _leave(self, memory: str, packed: Sequence[str]) -> None:
        """Give back everything that the call holds."""
        body = self.body
        for slot in (*self.objects, *packed):
            item = body.value(f"load ptr, ptr {slot}")
            number = body.name()
            body.do(f"br i1 {body.value(f'icmp eq ptr {item}, null')}, label %none{number}, label %some{number}")
            body.label(f"some{number}")
            body.value(f"call i32 @TVMFFIObjectDecRef(ptr {item})")
            body.do(f"br label %none{number}")
            body.label(f"none{number}")
        held = body.value(f"load ptr, ptr {memory}")
        body.do(f"br i1 {body.value(f'icmp eq ptr {held}, null')}, label %out, label %keep")
        body.label("keep")
        body.do(f"call void @scratch.keep(ptr {held})")
        body.do("br label %out")
        body.label("out")


def _plain(name: str) -> str:
    """Return ``name`` as a part of a format of ``snprintf``."""
    return name.replace("%", "%%")


def _word(dtype: DType) -> int:
    """Return an element type as the 32 bits of a ``DLDataType``."""
    return dtype.code | dtype.bits << 8 | 1 << 16
