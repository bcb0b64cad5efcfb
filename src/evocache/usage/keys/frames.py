"""Plain values that stand for the frames of pandas and polars in a key."""

from __future__ import annotations

import sys
from typing import Any

from .content import Content, UnencodableError


def pandas_content(value: Any) -> Content:
    """Return what stands for a frame, a series, an index, or a scalar of pandas.

    Raises:
        UnencodableError: for everything else of pandas, such as groups and windows.
    """
    pd = sys.modules["pandas"]
    if value is pd.NA or value is pd.NaT:
        return "pandas missing", str(value)
    if isinstance(value, pd.Timestamp):
        return "pandas Timestamp", (value.value, value.unit, value.fold, value.tzinfo)
    if isinstance(value, pd.Timedelta):
        return "pandas Timedelta", (value.value, value.unit)
    if isinstance(value, pd.Interval):
        return "pandas Interval", (value.left, value.right, value.closed)
    if isinstance(value, pd.Period):
        return "pandas Period", (value.ordinal, value.freqstr)
    kind = f"pandas {type(value).__name__}"
    if type(value) is pd.DataFrame:
        columns = [_column(value.iloc[:, number]) for number in range(value.shape[1])]
        return kind, (value.columns, value.index, columns, value.attrs or None)
    if type(value) is pd.Series:
        return kind, (value.name, value.index, _column(value), value.attrs or None)
    if isinstance(value, pd.MultiIndex):
        levels = [value.get_level_values(number) for number in range(value.nlevels)]
        return kind, (list(value.names), len(value), levels)
    if isinstance(value, pd.Index):
        return kind, (value.name, getattr(value, "freqstr", None), _column(value))
    if isinstance(value, pd.api.extensions.ExtensionArray):
        return kind, _column(pd.Series(value))
    if isinstance(value, pd.api.extensions.ExtensionDtype):
        return "pandas dtype", _dtype(value)
    raise UnencodableError(value)


def _dtype(dtype: Any) -> Any:
    """A data type by its text; of categories, the categories as well."""
    return (str(dtype), dtype.categories, dtype.ordered) if str(dtype) == "category" else str(dtype)


def _column(column: Any) -> Any:
    """Type and items of a series or an index: as one array where numpy has the type, else item by item."""
    values = column.array
    if str(column.dtype) == "category":
        return _dtype(column.dtype), values.codes
    if getattr(column.dtype, "tz", None) is not None:
        return str(column.dtype), values.asi8
    plain = isinstance(column.to_numpy().dtype, type(column.dtype))
    return _dtype(column.dtype), column.to_numpy() if plain else list(values)


def polars_content(value: Any) -> Content:
    """Return what stands for a frame, a series or a data type of polars.

    Raises:
        UnencodableError: for everything else of polars, such as frames that are still to be computed.
    """
    pl = sys.modules["polars"]
    if isinstance(value, pl.DataFrame):
        return "polars DataFrame", (value.height, [(one.name, _series(one)) for one in value])
    if isinstance(value, pl.Series):
        return "polars Series", (value.name, _series(value))
    if isinstance(value, pl.DataType):
        return "polars dtype", repr(value)
    if isinstance(value, pl.LazyFrame):
        raise UnencodableError(value, "a frame that is computed", "give `frame.collect()`")
    raise UnencodableError(value)


def _series(series: Any) -> Any:
    """Type, which items are missing, and the items."""
    missing = series.is_null().to_numpy() if series.null_count() else None
    if series.dtype.is_numeric() and not series.dtype.is_decimal():
        return repr(series.dtype), missing, series.fill_null(0).to_numpy()
    return repr(series.dtype), missing, series.to_list()
