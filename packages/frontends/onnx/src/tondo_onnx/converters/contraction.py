"""Matrix products and Einsum, also of integers."""

from __future__ import annotations

from typing import Final

from tondo.ir import INT32
from tondo_onnx.build.values import Value
from tondo_onnx.converters.convolution import requantized, shifted, unify
from tondo_onnx.nodes.agreement import Agreement
from tondo_onnx.nodes.site import Site, Versions, since


def _factors(site: Site, a: Value, b: Value) -> tuple[Value, ...]:
    """Return the factors of a matrix product, their depths and batches checked where they are not known to agree."""
    agreement = Agreement(site, (a, b))
    if a.rank and b.rank:
        agreement.equal((0, a.rank - 1), (1, max(b.rank - 2, 0)))
    if min(a.rank, b.rank) > 2:
        agreement.broadcast((2, 2))
    return agreement.values()


def _matmul(site: Site) -> Value:
    return site.call("matmul", *_factors(site, site.arg(0), site.arg(1)))


def _gemm(site: Site) -> Value:
    attributes = site.attributes
    c = site.optional(2)
    agreement = Agreement(site, (site.arg(0), site.arg(1)))
    agreement.equal((0, 0 if attributes.flag("transA") else 1), (1, 1 if attributes.flag("transB") else 0))
    return site.call(
        "gemm", *agreement.values(), *([c] if c is not None else []),
        alpha=attributes.number("alpha", 1.0), beta=attributes.number("beta", 1.0),
        trans_a=attributes.flag("transA"), trans_b=attributes.flag("transB"),
    )  # fmt: skip


def _einsum(site: Site) -> Value:
    return site.call("einsum", *site.args, equation=site.attributes.text("equation"))


def _integer_product(site: Site, a: Value, b: Value, a_zero: Value | None, b_zero: Value | None) -> Value:
    """Return the exact product; zero points of ``a`` belong to its rows, those of ``b`` to its columns."""
    left = shifted(site, a, a_zero, max(a.rank - 2, 0))
    right = shifted(site, b, b_zero, max(b.rank - 1, 0))
    return site.call("matmul", *_factors(site, *unify(site, left, right)), out_dtype=INT32)


def _matmul_integer(site: Site) -> Value:
    return _integer_product(site, site.arg(0), site.arg(1), site.optional(2), site.optional(3))


def _qlinear_matmul(site: Site) -> Value:
    a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = (site.arg(position) for position in range(8))
    total = _integer_product(site, a, b, a_zero, b_zero)
    rows = site.reshape(a_scale, (*a_scale.dims, 1)) if a_scale.rank == 1 and total.rank > 1 else a_scale
    return requantized(site, total, rows, b_scale, y_scale, y_zero)


CONVERTERS: Final[dict[str, Versions]] = {
    "MatMul": since(_matmul),
    "Gemm": since(_gemm),
    "Einsum": since(_einsum),
    "MatMulInteger": since(_matmul_integer),
    "QLinearMatMul": since(_qlinear_matmul),
}
