"""The kinds of a table's columns: measurements, whole numbers, one-hot groups, and constants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onnxviz.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class ColumnKinds:
    """The kinds of the columns in a table of real samples.

    Attributes
    ----------
    constant : (column,) bool
        Whether a column has the same value in every row.
    whole : (column,) bool
        Whether a column holds whole numbers in every row, and is neither constant nor part of a group.
    groups : tuple of tuple of int
        The numbers of the columns of each one-hot group: neighboring columns of 0 and 1, of which exactly one is 1 in every row.
        Constant columns are left out.
    """

    constant: NDArray[np.bool_]
    whole: NDArray[np.bool_]
    groups: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, table: ArrayLike) -> ColumnKinds:
        """Return the kinds of a table's columns.

        Encoders write the columns of one category side by side, so only neighboring columns are tried as a group. The column of a
        value that no row has, which is always 0, may stand between them.

        Parameters
        ----------
        table : (row, column)
            The table; NaN is a missing value, and a column's kind is that of its known values.

        Raises
        ------
        DataError
            If the array is no table, or if the table has no row.

        Examples
        --------
        >>> kinds = ColumnKinds.of([[1, 0, 0, 2.5], [0, 1, 0, 3.5], [1, 0, 0, 1.5]])
        >>> kinds.groups, kinds.constant.tolist()
        (((0, 1),), [False, False, True, False])
        """
        rows = np.asarray(table, dtype=np.float64)
        if rows.ndim != 2 or not len(rows):
            raise DataError(f"an array of shape {rows.shape} is no table; give (row, column) with one row or more")
        gaps = np.isnan(rows)
        first = rows[np.argmin(gaps, axis=0), np.arange(rows.shape[1])]
        constant = np.asarray(((rows == first) | gaps).all(axis=0))
        groups = _groups(rows, constant)
        whole = np.asarray(((rows == np.rint(rows)) | gaps).all(axis=0)) & ~constant
        for group in groups:
            whole[list(group)] = False
        return cls(constant, whole, groups)


def _groups(rows: NDArray[np.float64], constant: NDArray[np.bool_]) -> tuple[tuple[int, ...], ...]:
    binary = ((rows == 0) | (rows == 1)).all(axis=0)
    found = []
    first = 0
    while first < rows.shape[1]:
        members = _group_from(rows, binary, constant, first)
        if members:
            found.append(members)
        first = members[-1] + 1 if members else first + 1
    return tuple(found)


def _group_from(
    rows: NDArray[np.float64], binary: NDArray[np.bool_], constant: NDArray[np.bool_], first: int
) -> tuple[int, ...]:
    """Return neighboring columns from `first` on that sum to 1 in every row, or none where there are no such columns."""
    if constant[first]:
        return ()
    total = np.zeros(len(rows))
    members = []
    for column in range(first, rows.shape[1]):
        if not binary[column]:
            return ()
        total += rows[:, column]
        if total.max() > 1:
            return ()
        if not constant[column]:
            members.append(column)
        if total.min() == 1:
            return tuple(members)
    return ()
