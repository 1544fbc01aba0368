"""The columns that labels have in every dataset, and how rows get out of Arrow."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from musegen.labels import Label

_PRIMITIVE = {
    "bool": pa.bool_(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "uint16": pa.uint16(),
    "float64": pa.float64(),
    "string": pa.string(),
}


def list_of(element: pa.DataType) -> pa.DataType:
    """A list that may be missing, but whose elements may not; named as Parquet names them."""
    return pa.list_(pa.field("element", element, nullable=False))


TYPES: Mapping[str, pa.DataType] = _PRIMITIVE | {f"list<{name}>": list_of(each) for name, each in _PRIMITIVE.items()}
"""Arrow types as `Label.COLUMNS` spells them; primitive ones, and lists of these."""


def label_fields(kinds: Mapping[str, type[Label]]) -> list[pa.Field]:
    """The columns of label kinds: who says it, how sure, and what; all are null where a kind is not known."""
    fields = []
    for kind, label_type in kinds.items():
        fields += [pa.field(f"{kind}_origin", pa.string()), pa.field(f"{kind}_confidence", pa.float64())]
        fields += [pa.field(f"{kind}_{name}", TYPES[spelling]) for name, spelling in label_type.COLUMNS.items()]
    return fields


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """Arrow → rows; a list of numbers is a NumPy view, and binary is a buffer: neither is copied."""
    columns = {field.name: _cells(table.column(field.name), field.type) for field in table.schema}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def sizes(batch: pa.RecordBatch) -> NDArray[np.int64]:
    """Bytes of each row, (rows,): of its values alone, however they lie in memory."""
    total = np.zeros(len(batch), np.int64)
    for column in batch.columns:
        total += _sizes(column)
    return total


def _cells(column: pa.ChunkedArray, kind: pa.DataType) -> list[Any]:
    if pa.types.is_binary(kind):
        return [value.as_buffer() for chunk in column.chunks for value in chunk]
    if pa.types.is_list(kind) and pa.types.is_primitive(kind.value_type) and not pa.types.is_boolean(kind.value_type):
        return [cell for chunk in column.chunks for cell in _views(chunk)]
    cells: list[Any] = column.to_pylist()
    return cells


def _views(lists: pa.ListArray) -> list[NDArray[Any] | None]:
    flat, offsets = lists.values.to_numpy(), lists.offsets.to_numpy()
    known = lists.is_valid().to_numpy(zero_copy_only=False)
    spans = zip(offsets[:-1], offsets[1:], known, strict=True)
    return [flat[start:end] if there else None for start, end, there in spans]


def _sizes(column: pa.Array) -> NDArray[np.int64]:
    kind = column.type
    if pa.types.is_list(kind):
        parents = pc.list_parent_indices(column).to_numpy()
        return np.bincount(parents, _sizes(pc.list_flatten(column)), len(column)).astype(np.int64)
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        lengths = pc.fill_null(pc.binary_length(column), 0).to_numpy(zero_copy_only=False)
        return np.asarray(lengths, np.int64)
    return np.full(len(column), -(-kind.bit_width // 8))
