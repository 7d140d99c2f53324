"""What a table's columns hold: measurements, whole numbers, one-hot groups, or always the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onnxviz.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class ColumnKinds:
    """What the columns of a table of real samples hold.

    Attributes
    ----------
    constant : (column,) bool
        The same value in every row.
    whole : (column,) bool
        Whole numbers in every row, and neither constant nor part of a group.
    groups : tuple of tuple of int
        Neighboring columns of 0 and 1, exactly one of which is 1 in every row; their numbers, constant ones left out.
    """

    constant: NDArray[np.bool_]
    whole: NDArray[np.bool_]
    groups: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, table: ArrayLike) -> ColumnKinds:
        """Look at a table.

        Encoders write the columns of one category side by side, so only neighbors are tried as a group. A category that
        no row has (always 0) may stand between them.

        Parameters
        ----------
        table : (row, column)
            Finite numbers.

        Raises
        ------
        DataError
            The table has no row, or is no table.

        Examples
        --------
        >>> kinds = ColumnKinds.of([[1, 0, 0, 2.5], [0, 1, 0, 3.5], [1, 0, 0, 1.5]])
        >>> kinds.groups, kinds.constant.tolist()
        (((0, 1),), [False, False, True, False])
        """
        rows = np.asarray(table, dtype=np.float64)
        if rows.ndim != 2 or not len(rows):
            raise DataError(f"an array of shape {rows.shape} is no table; (row, column) with one row or more is")
        constant = np.asarray((rows == rows[0]).all(axis=0))
        groups = _groups(rows, constant)
        whole = np.asarray((rows == np.rint(rows)).all(axis=0)) & ~constant
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
    """Return the columns from `first` on that sum to 1 in every row; none if there are no such."""
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
