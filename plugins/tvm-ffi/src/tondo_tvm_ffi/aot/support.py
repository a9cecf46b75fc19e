"""The parts of the glue that are the same for all models, as LLVM IR: tensors, sizes, errors.

Views of tensors and checks of them, checked arithmetic of sizes, and errors. C functions of tvm-ffi are undefined here:
its loader has made them visible before it opens the library.
"""

from __future__ import annotations

from typing import Final

from tondo_runtime.abi import OBJECT_HEADER, ObjectIndex, TypeIndex

SPEC: Final = "{ i32, i32, i64, ptr, ptr, ptr, ptr, ptr, ptr }"
"""What a tensor has to be: element type as a ``DLDataType``, rank, alignment; and what to say if it is not: no tensor,
device, element type, rank, layout, alignment."""

TENSOR: Final = "{ ptr, i32, i32, i32, i32, ptr, ptr, i64 }"
"""``DLTensor``: data, device type and number, rank, element type, shape, strides, offset in bytes."""

SUPPORT: Final = f"""\
%any = type {{ i32, i32, i64 }}
%record = type {{ ptr, ptr, ptr }}

declare void @TVMFFIErrorSetRaisedFromCStr(ptr, ptr)
declare void @TVMFFIErrorSetRaised(ptr)
declare void @TVMFFIErrorMoveFromRaised(ptr)
declare i32 @TVMFFIFunctionGetGlobal(ptr, ptr)
declare i32 @TVMFFIFunctionCall(ptr, ptr, i32, ptr)
declare i32 @TVMFFITensorFromDLPackVersioned(ptr, i32, i32, ptr)
declare i32 @TVMFFIStringFromByteArray(ptr, ptr)
declare i32 @TVMFFIObjectDecRef(ptr)
declare i32 @snprintf(ptr, i64, ptr, ...)
declare ptr @aligned_alloc(i64, i64)
declare void @free(ptr)
declare i32 @strcmp(ptr, ptr)
declare {{ i64, i1 }} @llvm.sadd.with.overflow.i64(i64, i64)
declare {{ i64, i1 }} @llvm.ssub.with.overflow.i64(i64, i64)
declare {{ i64, i1 }} @llvm.smul.with.overflow.i64(i64, i64)
declare i32 @tondo_pool_parallel_for(ptr, ptr, ptr, i64, i64, i32)
declare ptr @tondo_pool_create(i32)
declare void @tondo_pool_destroy(ptr)
declare i64 @tondo_clock_ns()

@foreign.failed = private unnamed_addr constant [9 x i8] c"TND-R001\\00"
@kind.type = private unnamed_addr constant [10 x i8] c"TypeError\\00"
@kind.value = private unnamed_addr constant [11 x i8] c"ValueError\\00"
@kind.runtime = private unnamed_addr constant [13 x i8] c"RuntimeError\\00"
@kind.memory = private unnamed_addr constant [12 x i8] c"MemoryError\\00"
@kind.overflow = private unnamed_addr constant [14 x i8] c"OverflowError\\00"
@text.memory = private unnamed_addr constant [34 x i8] c"there is no memory for %lld bytes\\00"
@text.threads = private unnamed_addr constant [58 x i8] c"the number of threads has to be an integer from 1 to %lld\\00"

; Raise an error whose text is made of a format and two numbers; returns -1.
define internal i32 @fail(ptr %kind, ptr %format, i64 %a, i64 %b) cold noinline {{
  %text = alloca [512 x i8]
  %written = call i32 (ptr, i64, ptr, ...) @snprintf(ptr %text, i64 512, ptr %format, i64 %a, i64 %b)
  call void @TVMFFIErrorSetRaisedFromCStr(ptr %kind, ptr %text)
  ret i32 -1
}}

; The DLTensor of an argument, or null.
define internal ptr @view(ptr %any) {{
  %tag = load i32, ptr %any, align 8
  %at = getelementptr i8, ptr %any, i64 8
  %payload = load ptr, ptr %at, align 8
  %object = getelementptr i8, ptr %payload, i64 {OBJECT_HEADER}
  %is.object = icmp eq i32 %tag, {int(ObjectIndex.TENSOR)}
  %is.view = icmp eq i32 %tag, {int(TypeIndex.DL_TENSOR_PTR)}
  %borrowed = select i1 %is.view, ptr %payload, ptr null
  %found = select i1 %is.object, ptr %object, ptr %borrowed
  ret ptr %found
}}

; The DLTensor of an argument that is as its spec says; null after an error.
define internal ptr @take(ptr %any, ptr %spec) noinline {{
entry:
  %t = call ptr @view(ptr %any)
  %none = icmp eq ptr %t, null
  br i1 %none, label %no.tensor, label %device
device:
  %device.at = getelementptr {TENSOR}, ptr %t, i32 0, i32 1
  %kind = load i32, ptr %device.at, align 8
  %cpu = icmp eq i32 %kind, 1
  br i1 %cpu, label %dtype, label %no.cpu
dtype:
  %dtype.at = getelementptr {TENSOR}, ptr %t, i32 0, i32 4
  %have.dtype = load i32, ptr %dtype.at, align 4
  %want.dtype = load i32, ptr %spec, align 8
  %same.dtype = icmp eq i32 %have.dtype, %want.dtype
  br i1 %same.dtype, label %rank, label %no.dtype
rank:
  %rank.at = getelementptr {TENSOR}, ptr %t, i32 0, i32 3
  %have.rank = load i32, ptr %rank.at, align 8
  %want.rank.at = getelementptr {SPEC}, ptr %spec, i32 0, i32 1
  %want.rank = load i32, ptr %want.rank.at, align 4
  %same.rank = icmp eq i32 %have.rank, %want.rank
  br i1 %same.rank, label %layout, label %no.rank
layout:
  %shape.at = getelementptr {TENSOR}, ptr %t, i32 0, i32 5
  %shape = load ptr, ptr %shape.at, align 8
  %strides.at = getelementptr {TENSOR}, ptr %t, i32 0, i32 6
  %strides = load ptr, ptr %strides.at, align 8
  %compact = icmp eq ptr %strides, null
  br label %next
next:
  %axis = phi i32 [ %have.rank, %layout ], [ %inner, %step ]
  %expected = phi i64 [ 1, %layout ], [ %expected.next, %step ]
  %wrong = phi i1 [ false, %layout ], [ %wrong.next, %step ]
  %more = icmp sgt i32 %axis, 0
  br i1 %more, label %look, label %walked
look:
  %inner = sub i32 %axis, 1
  %index = zext i32 %inner to i64
  %extent.at = getelementptr i64, ptr %shape, i64 %index
  %extent = load i64, ptr %extent.at, align 8
  br i1 %compact, label %step, label %compare
compare:
  %stride.at = getelementptr i64, ptr %strides, i64 %index
  %stride = load i64, ptr %stride.at, align 8
  %long = icmp sgt i64 %extent, 1
  %off = icmp ne i64 %stride, %expected
  %bad = and i1 %long, %off
  br label %step
step:
  %apart = phi i1 [ false, %look ], [ %bad, %compare ]
  %wrong.next = or i1 %wrong, %apart
  %expected.next = mul i64 %expected, %extent
  br label %next
walked:
  %empty = icmp eq i64 %expected, 0
  %dense = xor i1 %wrong, true
  %usable = or i1 %empty, %dense
  br i1 %usable, label %align, label %no.layout
align:
  %data = load ptr, ptr %t, align 8
  %offset.at = getelementptr {TENSOR}, ptr %t, i32 0, i32 7
  %offset = load i64, ptr %offset.at, align 8
  %first = getelementptr i8, ptr %data, i64 %offset
  %address = ptrtoint ptr %first to i64
  %want.align.at = getelementptr {SPEC}, ptr %spec, i32 0, i32 2
  %want.align = load i64, ptr %want.align.at, align 8
  %mask = sub i64 %want.align, 1
  %rest = and i64 %address, %mask
  %aligned = icmp eq i64 %rest, 0
  br i1 %aligned, label %fine, label %no.align
fine:
  ret ptr %t
no.tensor:
  %tag = load i32, ptr %any, align 8
  %tag.wide = sext i32 %tag to i64
  br label %refuse
no.cpu:
  %kind.wide = sext i32 %kind to i64
  br label %refuse
no.dtype:
  br label %refuse
no.rank:
  %rank.wide = sext i32 %have.rank to i64
  br label %refuse
no.layout:
  br label %refuse
no.align:
  br label %refuse
refuse:
  %which = phi i64 [ 0, %no.tensor ], [ 1, %no.cpu ], [ 2, %no.dtype ],
    [ 3, %no.rank ], [ 4, %no.layout ], [ 5, %no.align ]
  %told = phi i64 [ %tag.wide, %no.tensor ], [ %kind.wide, %no.cpu ], [ 0, %no.dtype ],
    [ %rank.wide, %no.rank ], [ 0, %no.layout ], [ 0, %no.align ]
  %messages = getelementptr i8, ptr %spec, i64 16
  %message.at = getelementptr ptr, ptr %messages, i64 %which
  %message = load ptr, ptr %message.at, align 8
  %about.kind = icmp eq i64 %which, 0
  %about.type = icmp eq i64 %which, 2
  %type.error = or i1 %about.kind, %about.type
  %error.kind = select i1 %type.error, ptr @kind.type, ptr @kind.value
  %rc = call i32 @fail(ptr %error.kind, ptr %message, i64 %told, i64 0)
  ret ptr null
}}

define internal i64 @extent(ptr %t, i64 %axis) alwaysinline {{
  %shape.at = getelementptr {TENSOR}, ptr %t, i32 0, i32 5
  %shape = load ptr, ptr %shape.at, align 8
  %at = getelementptr i64, ptr %shape, i64 %axis
  %size = load i64, ptr %at, align 8
  ret i64 %size
}}

; Arithmetic of sizes; a result that does not fit sets the flag.
define internal i64 @size.add(i64 %a, i64 %b, ptr %flag) alwaysinline {{
  %pair = call {{ i64, i1 }} @llvm.sadd.with.overflow.i64(i64 %a, i64 %b)
  %r = call i64 @size.noted({{ i64, i1 }} %pair, ptr %flag)
  ret i64 %r
}}
define internal i64 @size.sub(i64 %a, i64 %b, ptr %flag) alwaysinline {{
  %pair = call {{ i64, i1 }} @llvm.ssub.with.overflow.i64(i64 %a, i64 %b)
  %r = call i64 @size.noted({{ i64, i1 }} %pair, ptr %flag)
  ret i64 %r
}}
define internal i64 @size.mul(i64 %a, i64 %b, ptr %flag) alwaysinline {{
  %pair = call {{ i64, i1 }} @llvm.smul.with.overflow.i64(i64 %a, i64 %b)
  %r = call i64 @size.noted({{ i64, i1 }} %pair, ptr %flag)
  ret i64 %r
}}
define internal i64 @size.noted({{ i64, i1 }} %pair, ptr %flag) alwaysinline {{
  %r = extractvalue {{ i64, i1 }} %pair, 0
  %over = extractvalue {{ i64, i1 }} %pair, 1
  %old = load i8, ptr %flag
  %set = zext i1 %over to i8
  %new = or i8 %old, %set
  store i8 %new, ptr %flag
  ret i64 %r
}}
define internal i64 @size.floordiv(i64 %a, i64 %b, ptr %flag) {{
entry:
  %zero = icmp eq i64 %b, 0
  %lowest = icmp eq i64 %a, -9223372036854775808
  %minus = icmp eq i64 %b, -1
  %wraps = and i1 %lowest, %minus
  %bad = or i1 %zero, %wraps
  br i1 %bad, label %noted, label %divide
noted:
  store i8 1, ptr %flag
  ret i64 0
divide:
  %q = sdiv i64 %a, %b
  %r = srem i64 %a, %b
  %exact = icmp eq i64 %r, 0
  %signs = xor i64 %a, %b
  %negative = icmp slt i64 %signs, 0
  %inexact = xor i1 %exact, true
  %down = and i1 %inexact, %negative
  %one = zext i1 %down to i64
  %floor = sub i64 %q, %one
  ret i64 %floor
}}
define internal i64 @size.floormod(i64 %a, i64 %b, ptr %flag) {{
  %q = call i64 @size.floordiv(i64 %a, i64 %b, ptr %flag)
  %p = mul i64 %q, %b
  %r = sub i64 %a, %p
  ret i64 %r
}}
define internal i64 @size.min(i64 %a, i64 %b, ptr %flag) alwaysinline {{
  %less = icmp slt i64 %a, %b
  %r = select i1 %less, i64 %a, i64 %b
  ret i64 %r
}}
define internal i64 @size.max(i64 %a, i64 %b, ptr %flag) alwaysinline {{
  %less = icmp slt i64 %a, %b
  %r = select i1 %less, i64 %b, i64 %a
  ret i64 %r
}}

define internal i1 @overlap(ptr %t, i64 %t.bytes, ptr %u, i64 %u.bytes) {{
  %t.data = load i64, ptr %t, align 8
  %t.offset.at = getelementptr {TENSOR}, ptr %t, i32 0, i32 7
  %t.offset = load i64, ptr %t.offset.at, align 8
  %t.begin = add i64 %t.data, %t.offset
  %t.end = add i64 %t.begin, %t.bytes
  %u.data = load i64, ptr %u, align 8
  %u.offset.at = getelementptr {TENSOR}, ptr %u, i32 0, i32 7
  %u.offset = load i64, ptr %u.offset.at, align 8
  %u.begin = add i64 %u.data, %u.offset
  %u.end = add i64 %u.begin, %u.bytes
  %before = icmp ult i64 %t.begin, %u.end
  %after = icmp ult i64 %u.begin, %t.end
  %both = and i1 %before, %after
  ret i1 %both
}}

; What generated code reports: the first report of a call counts; the error of a foreign function is kept with it.
define internal void @report(ptr %ctx, ptr %kind, ptr %message) {{
entry:
  %user.at = getelementptr i8, ptr %ctx, i64 56
  %record = load ptr, ptr %user.at, align 8
  %pair = cmpxchg ptr %record, ptr null, ptr %kind acq_rel acquire
  %first = extractvalue {{ ptr, i1 }} %pair, 1
  br i1 %first, label %mine, label %done
mine:
  %message.at = getelementptr %record, ptr %record, i32 0, i32 1
  store ptr %message, ptr %message.at, align 8
  %order = call i32 @strcmp(ptr %kind, ptr @foreign.failed)
  %foreign = icmp eq i32 %order, 0
  br i1 %foreign, label %fetch, label %done
fetch:
  %error.at = getelementptr %record, ptr %record, i32 0, i32 2
  call void @TVMFFIErrorMoveFromRaised(ptr %error.at)
  br label %done
done:
  ret void
}}

; Raise what was reported; returns -1.
define internal i32 @failed(ptr %record, ptr %with.text, ptr %without.text, i32 %status) cold noinline {{
entry:
  %error.at = getelementptr %record, ptr %record, i32 0, i32 2
  %error = load ptr, ptr %error.at, align 8
  %foreign = icmp ne ptr %error, null
  br i1 %foreign, label %again, label %own
again:
  call void @TVMFFIErrorSetRaised(ptr %error)
  %released = call i32 @TVMFFIObjectDecRef(ptr %error)
  ret i32 -1
own:
  %message.at = getelementptr %record, ptr %record, i32 0, i32 1
  %message = load ptr, ptr %message.at, align 8
  %told = icmp ne ptr %message, null
  br i1 %told, label %text, label %number
text:
  %address = ptrtoint ptr %message to i64
  %rc1 = call i32 @fail(ptr @kind.runtime, ptr %with.text, i64 %address, i64 0)
  ret i32 -1
number:
  %wide = sext i32 %status to i64
  %rc2 = call i32 @fail(ptr @kind.runtime, ptr %without.text, i64 %wide, i64 0)
  ret i32 -1
}}
"""
