"""The features of a vector as the user describes them: names, bounds, real data, values to keep."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.errors import DataError, UsageError
from onnxviz.wording import quoted

if TYPE_CHECKING:
    from onnxviz.model.expectations.joined_inputs import JoinedInputs

Names = str | os.PathLike[str] | Sequence[str]
"""A file of names, or the names themselves."""

Rows = str | os.PathLike[str] | np.ndarray
"""A table or array file, or its rows."""

Kept = Mapping[str, Any] | Sequence[tuple[str, Any]]
"""From a feature's (or a position's) name or number to the value that it keeps."""

_LABELS = ("label", "labels", "target", "class", "species", "outcome", "y")
"""Usual names of a column of labels."""


@dataclass(frozen=True)
class Features:
    """The features of a vector, as far as they are known.

    Attributes
    ----------
    names : tuple of str
        The names of the features; empty if unknown.
    low, high, mean, scale : (feature,) ndarray or None
        Minimum, maximum, mean and standard deviation of each feature, in the model's own units.
    rows : (row, feature) ndarray or None
        The real samples; NaN for a missing value.
    whole : (feature,) bool ndarray or None
        Which features are whole numbers in every row of the data.
    texts : tuple of tuple of str
        For each feature the texts that its numbers stand for, () for numbers; empty where no feature holds texts.
    groups : tuple of tuple of int
        One-hot groups, each as the numbers of its features.
    kept : mapping of int to float
        From a feature's number to the value that it keeps.
    notes : tuple of str
        Sentences for the user about the origin of these values.
    """

    names: tuple[str, ...] = ()
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    mean: np.ndarray | None = None
    scale: np.ndarray | None = None
    rows: np.ndarray | None = None
    whole: np.ndarray | None = None
    texts: tuple[tuple[str, ...], ...] = ()
    groups: tuple[tuple[int, ...], ...] = ()
    kept: dict[int, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def name(self, feature: int) -> str:
        """Return a feature's name, or its number in brackets."""
        return self.names[feature] if self.names else f"[{feature}]"

    @property
    def unordered(self) -> np.ndarray | None:
        """Which features hold texts, whose codes have no order; None where none does."""
        return np.asarray([bool(known) for known in self.texts]) if any(self.texts) else None

    def shown_names(self, count: int) -> tuple[str, ...]:
        """Return the names for a chart, with "(kept)" after the features that are kept."""
        if not self.kept:
            return self.names
        return tuple(
            f"{self.name(feature)} (kept)" if feature in self.kept else self.name(feature) for feature in range(count)
        )


def read_features(
    count: int,
    known: tuple[str, ...],
    bounds: str | os.PathLike[str] | Sequence[float] | np.ndarray | None,
    names: Names | None,
    data: Rows | None,
    kept: Kept = (),
    *,
    joined: JoinedInputs | None = None,
    missing: bool = False,
) -> Features:
    """Return the features as `bounds`, `names`, `data` and `kept` describe them.

    Parameters
    ----------
    count : int
        The number of features of the input.
    known : tuple of str
        The names that the model's file gives.
    bounds : str, (low, high), (feature, 2) array or path, optional
        "LO,HI" or two numbers for all features, or a table of two columns with a row for each feature.
    names : path or sequence of str, optional
        The names, or a file with a name in each line or with JSON.
    data : path or (sample, feature) array, optional
        A table or array of real samples. It gives each feature's range, mean and standard deviation, and tells which
        features are whole numbers or one-hot codes.
        Columns are matched by name where both sides have names, else by order.
    kept : mapping or pairs
        Features' names or numbers, and the values that they keep.
    joined : JoinedInputs, optional
        The columns of a table that the features stand for. A column of text is a feature of codes.
    missing : bool
        Whether NaN, and an empty cell of a table, is a missing value. Statistics are those of the known values.

    Raises
    ------
    UsageError
        If `bounds` or `kept` cannot be read, or a file does not exist.
    DataError
        If a file cannot be read or has another number of features.
    """
    found = Features(known if len(known) == count else ())
    if joined is not None and not joined.smooth:
        found = replace(found, texts=joined.texts, whole=np.asarray(joined.whole))
    if names is not None:
        found = replace(found, names=_read_names(names, count))
    if data is not None:
        found = _with_data(found, count, data, joined, missing, bounded=bounds is not None)
    if bounds is not None:
        low, high = _read_bounds(bounds, count)
        for place, texts in enumerate(found.texts):  # the codes of texts have bounds of their own
            if texts:
                low[place], high[place] = 0.0, len(texts) - 1.0
        for group in found.groups:  # a one-hot code is 0 or 1, whatever the bounds of other features
            low[list(group)], high[list(group)] = 0.0, 1.0
        found = replace(found, low=low, high=high)
    return _with_kept(found, count, kept) if kept else found


def read_rows(
    path: Rows, labels: tuple[str, ...], count: int, missing: bool = False
) -> tuple[np.ndarray, tuple[str, ...], tuple[str, ...]]:
    """Return the samples of a vector, a row for each.

    Columns are matched by name where both sides have names, else by order.

    Parameters
    ----------
    path : path or (sample, feature) array
        A table or an array.
    labels : tuple of str
        The features' names; empty where unknown.
    count : int
        How many features there are.
    missing : bool
        Whether NaN, and an empty cell of a table, is a missing value.

    Returns
    -------
    table : (sample, feature) float64 ndarray
    names : tuple of str
        The names of the columns that are used; empty if the file has no names.
    notes : tuple of str
        Sentences for the user about the choice of columns.

    Raises
    ------
    UsageError
        If there is no such file.
    DataError
        If the file cannot be read or has another number of features.
    """
    table, columns, left_out = _read_rows(path, missing)
    source = "rows" if isinstance(path, np.ndarray) else f"{path}"
    notes = [f"`data` {source}: the columns {_listed(left_out)} hold text and are left out"] if left_out else []
    chosen, how = _match(table, columns, labels, count, source)
    notes.append(f"`data` {source}: {len(table)} rows, {how}")
    return table[:, chosen], tuple(columns[place] for place in chosen) if columns else (), tuple(notes)


def _with_data(
    found: Features, count: int, path: Rows, joined: JoinedInputs | None, missing: bool, bounded: bool
) -> Features:
    from onnxviz.formats.column_kinds import ColumnKinds

    texts = found.texts
    if joined is not None and (any(joined.texts) or missing):
        table, notes = _joined_rows(path, joined)
        columns = joined.names
    else:
        table, columns, said = read_rows(path, found.names, count, missing)
        notes = list(said)
    if len(table) < 2:
        raise DataError("`data`: it has one row; ranges and deviations need two or more")
    known = ~np.isnan(table)
    worded = np.asarray([bool(one) for one in texts] or [False] * count)
    empty = ~known.any(0) & ~worded
    if empty.any():
        listed = _listed(tuple(found.name(int(place)) for place in np.flatnonzero(empty)))
        raise DataError(f"`data`: no row has a value of {listed}; leave the column out, or fill it in")
    kinds = ColumnKinds.of(table)
    filled = np.where(worded & ~known.any(0), 0.0, table)
    mean = np.where(worded, [_commonest(column) for column in filled.T], np.nanmean(filled, 0))
    found = replace(
        found,
        names=found.names or columns,
        low=np.where(worded, 0.0, np.nanmin(filled, 0)),
        high=np.where(worded, [len(one) - 1.0 for one in texts] or 0.0, np.nanmax(filled, 0)),
        mean=mean,
        scale=np.where(worded, 1.0, np.nanstd(filled, 0)),
        rows=table,
        whole=kinds.whole | worded,
        texts=texts,
        groups=tuple(group for group in kinds.groups if not worded[list(group)].any()),
    )
    counted = kinds.whole & ~worded
    if counted.any():
        notes.append(f"whole numbers in every row, so in the result too: {_named(found, counted.nonzero()[0])}")
    gaps = int((~known)[:, ~worded].sum())
    if gaps:
        notes.append(f"{gaps} of {known.size} values are missing; ranges and means are those of the known values")
    if kinds.groups:
        told = "; ".join(_named(found, group) for group in kinds.groups[:4]) + ("; …" if len(kinds.groups) > 4 else "")
        notes.append(f"one-hot, so exactly one of each group is set: {told}")
    constant = kinds.constant & ~worded
    if constant.any() and not bounded:
        notes.append(f"the same in every row, so kept: {_named(found, constant.nonzero()[0])}")
    return replace(found, notes=tuple(notes))


def _commonest(codes: np.ndarray) -> float:
    values, counts = np.unique(codes[~np.isnan(codes)], return_counts=True)
    return float(values[counts.argmax()])


def _joined_rows(path: Rows, joined: JoinedInputs) -> tuple[np.ndarray, list[str]]:
    """Return the rows of a table for inputs that are its columns, and sentences about the choice of columns."""
    from onnxviz.analyses.inputs.one_sample import joined_slots
    from onnxviz.formats.array_data import ArrayData
    from onnxviz.formats.data_set import DataSet

    slots = joined_slots(joined)
    data = ArrayData(path, slots) if isinstance(path, np.ndarray) else DataSet(path, slots)
    blocks, problems = [], list[str]()
    for piece in data.pieces():
        block = piece.read(lambda identity, stamp: False)
        problems += [said for _, said in block.problems]
        if block.identities:
            blocks.append({name: part.array for name, part in block.parts.items()})
    source = "rows" if isinstance(path, np.ndarray) else f"{path}"
    if problems or not blocks:
        raise DataError(problems[0] if problems else f"`data` {source}: has no rows")
    rows = np.concatenate([joined.join(parts) for parts in blocks])
    notes = [f"`data` {source}: {len(rows)} rows; {note.partition(': ')[2]}" for note in data.notes[:1]]
    worded = np.asarray([bool(texts) for texts in joined.texts])
    strange = int(np.isnan(rows[:, worded]).sum())
    if strange:
        # The search never sets such a text, and a statistic leaves it out.
        notes.append(f"`data` {source}: {strange} cells hold texts that no encoder of the graph knows")
    return rows, notes or [f"`data` {source}: {len(rows)} rows"]


def _with_kept(found: Features, count: int, kept: Kept) -> Features:
    values: dict[int, float] = {}
    for name, text in pairs(kept):
        place = _place(found, count, str(name))
        texts = found.texts[place] if found.texts else ()
        if str(text) in texts:
            values[place] = float(texts.index(str(text)))
            continue
        try:
            value = float(text)
        except (TypeError, ValueError):
            if texts:
                raise UsageError(f"`kept` {name}={text}: no such text; known are {_listed(texts)}") from None
            raise UsageError(f"`kept` {name}={text}: write a number after the =") from None
        if not np.isfinite(value):
            raise UsageError(f"`kept` {name}={text}: the value must be a finite number")
        if values.setdefault(place, value) != value:
            raise UsageError(f"`kept` {name}={text}: it is already kept at {values[place]:g}; give it once")
    groups = []
    for group in found.groups:
        given = [values[place] for place in group if place in values]
        free = tuple(place for place in group if place not in values)
        if any(value not in (0, 1) for value in given) or sum(given) > 1 or (not free and sum(given) != 1):
            raise UsageError(
                f"`kept`: {_named(found, group)} are a one-hot group: keep one of them at 1, or some of them at 0"
            )
        if sum(given) == 1 or len(free) == 1:
            # The kept features settle the rest of the group.
            values |= dict.fromkeys(free, 1.0 - sum(given))
        elif free:
            groups.append(free)
    whole = None
    if found.whole is not None:
        whole = found.whole.copy()
        whole[list(values)] = False
    told = ", ".join(
        f"{found.name(place)} = {found.texts[place][int(value)] if found.texts and found.texts[place] else f'{value:g}'}"
        for place, value in sorted(values.items())[:8]
    )
    notes = (*found.notes, f"kept: {told}" + (", …" if len(values) > 8 else ""))
    return replace(found, whole=whole, groups=tuple(groups), kept=values, notes=notes)


def pairs(kept: Kept) -> list[tuple[str, Any]]:
    """Return the kept features as pairs of a name and a value."""
    return list(kept.items()) if isinstance(kept, Mapping) else list(kept)


def _place(found: Features, count: int, name: str) -> int:
    if found.names.count(name) == 1:
        return found.names.index(name)
    if name in found.names:
        raise UsageError(f"`kept` {name}: {found.names.count(name)} features have this name; give the number of one")
    digits = name.removeprefix("[").removesuffix("]")
    if digits.isdecimal() and int(digits) < count:
        return int(digits)
    listed = f"; the names are {_listed(found.names)}" if found.names else ""
    raise UsageError(f"`kept` {name}: no feature of that name, and no number from 0 to {count - 1}{listed}")


def _named(found: Features, places: np.ndarray | tuple[int, ...]) -> str:
    return _listed(tuple(found.name(int(place)) for place in places))


def _listed(names: tuple[str, ...], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _read_names(names: Names, count: int) -> tuple[str, ...]:
    from onnxviz.model.graph.labels import parse_names

    if not isinstance(names, str | os.PathLike):
        if len(names) != count:
            raise DataError(f"`names`: {len(names)} names, but the input has {count} features")
        return tuple(map(str, names))
    path = Path(names)
    if not path.exists():
        raise UsageError(f"`names` {path}: no such file")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"`names` {path}: cannot be read as text ({error})") from None
    found = parse_names(text) or tuple(line.strip() for line in text.splitlines() if line.strip())
    if len(found) != count:
        raise DataError(f"`names` {path}: it has {len(found)} names, but the input has {count} features")
    return found


def _read_rows(source: Rows, missing: bool = False) -> tuple[np.ndarray, tuple[str, ...], tuple[str, ...]]:
    """Return rows of numbers, the columns' names, and the names of columns without numbers."""
    from onnxviz.formats.parquet_tables import read_parquet
    from onnxviz.formats.tables import read_numeric_columns

    if isinstance(source, np.ndarray):
        return (*_plain_rows(source, "rows"), ())
    path = Path(source)
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv", ".parquet"):
        if not path.exists():
            raise UsageError(f"`data` {path}: no such file")
        return read_parquet(path, missing) if suffix == ".parquet" else read_numeric_columns(path, missing)
    return (*_read_table(path, missing), ())


def _read_table(path: Path, missing: bool = False) -> tuple[np.ndarray, tuple[str, ...]]:
    from onnxviz.formats.samples import read_sample

    sample = read_sample(path, missing=missing)
    return _plain_rows(sample.array, str(path))[0], sample.names


def _plain_rows(array: np.ndarray, source: str) -> tuple[np.ndarray, tuple[str, ...]]:
    rows = np.asarray(array, np.float64)
    if rows.ndim < 2:
        raise DataError(f"`data` {source}: it has {rows.ndim} axes; it must have a row for each sample")
    return rows.reshape(len(rows), -1), ()


def _match(
    table: np.ndarray, columns: tuple[str, ...], labels: tuple[str, ...], count: int, path: str
) -> tuple[list[int], str]:
    """Return the column of each feature, and in words how the columns were matched."""
    if labels and columns and len(set(labels)) == count:
        missing = [label for label in labels if label not in columns]
        if not missing:
            rest = tuple(name for name in columns if name not in labels)
            return [columns.index(label) for label in labels], "columns matched by name" + (
                f"; not a feature: {_listed(rest)}" if rest else ""
            )
        if len(missing) < count:
            raise DataError(
                f"`data` {path}: {count - len(missing)} of the {count} features are columns of it, "
                f"but {_listed(tuple(missing))} are not; rename the columns, or give `names` in the columns' order"
            )
    if table.shape[1] == count:
        said = ", since no column has a feature's name" if labels and columns else ""
        return list(range(count)), f"columns taken in their order{said}"
    kept = [place for place in range(table.shape[1]) if not _is_index(table, columns, place)]
    if len(kept) == count + 1 and columns:
        kept = [place for place in kept if columns[place].strip().lower() not in _LABELS]
    if len(kept) == count:
        rest = tuple(columns[place] for place in range(table.shape[1]) if place not in kept)
        return kept, f"columns taken in their order; not a feature: {_listed(rest)}"
    hint = "; remove the columns that are no features, or give `names`" if table.shape[1] > count else ""
    listed = f" ({_listed(tuple(quoted(name) for name in columns), 4)})" if columns else ""
    raise DataError(f"`data` {path}: it has {table.shape[1]} columns{listed}, but the input has {count} features{hint}")


def _is_index(table: np.ndarray, columns: tuple[str, ...], place: int) -> bool:
    """Return whether a column is a first column without a name that counts the rows, as pandas writes it."""
    unnamed = place == 0 and bool(columns) and columns[0].lower() in ("column 1", "unnamed: 0", "index")
    return unnamed and bool(np.array_equal(table[:, 0], np.arange(len(table))))


def _read_bounds(
    bounds: str | os.PathLike[str] | Sequence[float] | np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(bounds, str | os.PathLike):
        text = os.fspath(bounds)
        try:
            table = np.asarray([float(part) for part in text.split(",")])
        except ValueError:
            table = np.empty(0)
        if table.shape != (2,):
            if not Path(text).exists():
                raise UsageError(f"`bounds` {text}: neither two numbers (LO,HI) nor a file that exists")
            table, _ = _read_table(Path(text))
    else:
        table = np.asarray(bounds, np.float64)
        text = ",".join(map(str, table.tolist())) if table.ndim == 1 else "table"
    if table.shape == (2,):
        if not table[0] < table[1]:
            raise UsageError(f"`bounds` {text}: the smaller number comes first")
        return np.full(count, table[0]), np.full(count, table[1])
    if table.shape != (count, 2):
        raise DataError(
            f"`bounds` {text}: it is {table.shape[0]}x{table.shape[1]}; "
            f"it must have low and high for each of the {count} features"
        )
    if not (table[:, 0] <= table[:, 1]).all():
        row = int(np.argmax(table[:, 0] > table[:, 1]))
        raise DataError(f"`bounds` {text}: in row {row + 1} the low end is above the high end")
    return table[:, 0].copy(), table[:, 1].copy()
