"""The pictures of `activations`: sheets of feature maps, heat over the input, traces, bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from onnxviz.analyses.activations.answers import UNIT_AXES

if TYPE_CHECKING:
    from onnxviz.analyses.activations.answers import Answer
    from onnxviz.drawing.input_drawing import Drawing
    from onnxviz.drawing.pictures import Picture
    from onnxviz.drawing.sheet import Tile
    from onnxviz.formats.tokenizers import Encoded
    from onnxviz.methods.samples.activity import Activity

OVER_INPUT = "over the input"
"""The heading of the maps that are laid over the input."""

_MOST_MAPS = 144
_OVERLAYS = 4
_TRACES = 12


def answer_picture(
    answer: Answer,
    drawing: Drawing,
    sample: np.ndarray,
    rate: int | None,
    name: str,
    most: int = _MOST_MAPS,
    encoded: Encoded | None = None,
) -> Picture | None:
    """Return the picture of an answer.

    Parameters
    ----------
    answer : Answer
        The answer to draw.
    drawing : Drawing
        Draws samples.
    sample : ndarray
        The input, without the batch, in the model's own units.
    rate : int or None
        The sample rate of sound, in samples per second.
    name : str
        The sample's identity.
    most : int, optional
        The largest number of maps; the strongest are drawn.
    encoded : Encoded, optional
        The text of the sample and its tokens.

    Returns
    -------
    (height, width, 3) uint8, or None
        None for a single number, and if no value is finite.
    """
    if not answer.values.size or not np.isfinite(answer.values).any():
        return None
    title, subtitle = answer.target, f"on {name}; computed by ONNX Runtime"
    if _has_places(answer):
        return _maps(answer, drawing, sample, title, subtitle, most)
    values = np.nan_to_num(answer.values.astype(np.float64))
    if values.ndim == 0 or values.size == 1:
        return None
    if answer.axes in (("unit",), ("channel",), ("feature",)):
        return _bars(answer, values, title, subtitle)
    if encoded is not None and values.ndim <= 2 and len(encoded) in values.shape:
        return _over_tokens(answer, values, encoded, title, subtitle)
    if drawing.expected.kind == "points" and values.ndim <= 2:
        found = _over_points(answer, values, drawing.points(sample), title, subtitle)
        if found is not None:
            return found
    if values.ndim <= 2 and ("time" in answer.axes or "step" in answer.axes):
        return _traces(answer, values, drawing, sample, rate, title, subtitle)
    from onnxviz.drawing.heat_map import Plane, heat_map

    rows = " × ".join(answer.axes[:-1]) or "value"
    plane = Plane(values.reshape(-1, values.shape[-1]), rows, answer.axes[-1], label="activation")
    return heat_map(plane, title, subtitle)


def _plane(values: np.ndarray) -> np.ndarray:
    """Return the slice of a volume with the largest magnitude; a plane is returned as it is."""
    if values.ndim < 3:
        return values
    return np.asarray(values.reshape(-1, *values.shape[-2:])[_strongest(values)])


def _strongest(values: np.ndarray) -> int:
    """Return the number of the slice with the largest magnitude."""
    stack = values.reshape(-1, *values.shape[-2:])
    return int(np.nan_to_num(np.abs(stack)).max(axis=(1, 2)).argmax())


def _slice_name(values: np.ndarray, drawing: Drawing) -> str:
    """Return which slice of a volume or frame of a clip is shown; "" for a plane."""
    if values.ndim != 3 or len(values) < 2:
        return ""
    return f"{'frame' if drawing.expected.kind == 'clip' else 'depth'} {_strongest(values)}: "


def answer_tiles(
    answer: Answer, drawing: Drawing, sample: np.ndarray, most: int = _MOST_MAPS
) -> list[tuple[int | None, Tile]]:
    """Return the maps of an answer one by one, first the maps laid over the input.

    Parameters
    ----------
    answer, drawing, sample, most
        As in `answer_picture`.

    Returns
    -------
    list of (int or None, Tile)
        The unit of each map, or None if no axis counts units. The list is empty if the answer is no map.
    """
    from onnxviz.drawing.heat_overlay import heat_overlay
    from onnxviz.drawing.pictures import diverging, sequential
    from onnxviz.drawing.sheet import Tile
    from onnxviz.wording import number_text

    if not _has_places(answer) or not np.isfinite(answer.values).any():
        return []
    shown = drawing.draw(sample) if drawing.is_picture else None
    if not answer.units:
        plane = _plane(answer.values)
        if shown is None or min(plane.shape) < 2:
            return []
        size = f"{plane.shape[0]}x{plane.shape[1]} values"
        extremes = f"{number_text(float(np.nanmin(plane)))} to {number_text(float(np.nanmax(plane)))}"
        over = Tile(heat_overlay(shown, plane), "the map over it", size)
        return [(None, over), (None, Tile(_map_picture(plane), "the map", extremes, sharp=True))]
    maps = np.moveaxis(answer.values, answer.axes.index("channel"), 0)
    signed = bool(np.nanmin(maps) < 0)
    tiles: list[tuple[int | None, Tile]] = []
    for one in answer.units[:_OVERLAYS]:
        plane = _plane(maps[one.index])
        if shown is not None and one.strength > 0 and min(plane.shape) > 1:
            over = Tile(heat_overlay(shown, plane), answer.unit(one.index), _extremes(one), OVER_INPUT, False)
            tiles.append((one.index, over))
    for one in answer.units[:most]:
        plane = _plane(maps[one.index])
        largest = max(abs(one.low), abs(one.high))
        picture = diverging(plane, largest) if signed else sequential(plane, 0.0, largest or 1.0)
        section = _section(len(answer.units), most)
        detail = _slice_name(maps[one.index], drawing) + _extremes(one)
        tiles.append((one.index, Tile(picture, answer.unit(one.index), detail, section, _sharp(plane))))
    return tiles


def _has_places(answer: Answer) -> bool:
    """Whether an answer is spread over a plane or a volume."""
    return len([axis for axis in answer.axes if axis in ("height", "width", "depth")]) >= 2


def _maps(answer: Answer, drawing: Drawing, sample: np.ndarray, title: str, subtitle: str, most: int) -> Picture:
    from onnxviz.drawing.sheet import ColorBar, Sheet, Tile

    tiles = [tile for _, tile in answer_tiles(answer, drawing, sample, most)]
    signed = bool(np.nanmin(answer.values) < 0)
    scale: Literal["diverging", "sequential"] = "diverging" if signed else "sequential"
    if not answer.units:
        plane = _plane(answer.values)
        if not tiles:
            from onnxviz.drawing.heat_map import Plane, heat_map

            return heat_map(Plane(plane, "height", "width", label="activation"), title, subtitle)
        largest = float(np.nanmax(np.abs(plane)))
        scale = "diverging" if np.nanmin(plane) < 0 else "sequential"
        bar = ColorBar(scale, 0.0, largest, "activation") if largest > 0 else None
        said = "The map is stretched evenly over the input: red above zero, blue below."
        return Sheet([Tile(_large(drawing.draw(sample)), "input"), *tiles], title, subtitle, said, bar).draw()
    said = "Each map has its own scale; its lowest and highest value are below it."
    if drawing.has_thumbnail:
        section = OVER_INPUT if drawing.is_picture else "the input"
        tiles = [Tile(_large(drawing.thumbnail(sample)), "input", section=section), *tiles]
        said += " Over the input: red above zero, blue below." if drawing.is_picture else ""
    return Sheet(tiles, title, subtitle, said, ColorBar(scale, 0.0, 1.0, "activation / the map's largest")).draw()


def _section(count: int, most: int) -> str:
    if count > most:
        return f"the {most} strongest of {count} channels, by root mean square"
    return "channels, the strongest first (root mean square)"


def _sharp(plane: np.ndarray) -> bool:
    return bool(max(plane.shape) <= 128)


def _map_picture(plane: np.ndarray) -> Picture:
    from onnxviz.drawing.pictures import diverging, enlarge, sequential

    largest = float(np.nanmax(plane))
    picture = diverging(plane) if np.nanmin(plane) < 0 else sequential(plane, 0.0, largest or 1.0)
    return enlarge(picture, max(1, 448 // max(picture.shape[:2])))


def _large(picture: Picture) -> Picture:
    from onnxviz.drawing.pictures import enlarge

    return enlarge(picture, max(1, 448 // max(picture.shape[:2])))


def _extremes(one: Activity) -> str:
    from onnxviz.wording import number_text

    if one.low == one.high:
        return f"{number_text(one.low, 3)} everywhere"
    return f"{number_text(one.low, 3)} to {number_text(one.high, 3)}"


def _bars(answer: Answer, values: np.ndarray, title: str, subtitle: str) -> Picture:
    from onnxviz.drawing.feature_vector import FeatureVector
    from onnxviz.drawing.vector_chart import vector_chart

    return vector_chart(FeatureVector(values, answer.labels, units="activation"), title, subtitle)


def _over_tokens(answer: Answer, values: np.ndarray, encoded: Encoded, title: str, subtitle: str) -> Picture:
    """Return the strongest units as rows of colors, with the tokens of the text as columns."""
    from onnxviz.drawing.heat_map import Plane, heat_map

    positions = [place for place, axis in enumerate(answer.axes) if axis not in UNIT_AXES]
    along = (
        positions[0] if positions and values.shape[positions[0]] == len(encoded) else values.shape.index(len(encoded))
    )
    rows = np.moveaxis(values, along, -1).reshape(-1, len(encoded))[:, : encoded.real]
    names = [answer.target] if len(rows) == 1 else [str(row) for row in range(len(rows))]
    if answer.units and len(answer.units) == len(rows):
        chosen = answer.units[:_TRACES]
        rows, names = rows[[one.index for one in chosen]], [answer.unit(one.index) for one in chosen]
        if len(answer.units) > len(chosen):
            subtitle += f" · the {len(chosen)} strongest of {len(answer.units)} units"
    tokens = [encoded.shown(place) for place in range(encoded.real)]
    plane = Plane(rows, "unit", "token", row_names=names, column_names=tokens, label="activation")
    return heat_map(plane, title, subtitle)


def _over_points(answer: Answer, values: np.ndarray, points: np.ndarray, title: str, subtitle: str) -> Picture | None:
    """Return the cloud for each of the strongest units, its points colored by their activation; None if no axis counts the points."""
    from onnxviz.drawing.pictures import diverging, sequential
    from onnxviz.drawing.point_cloud import cloud_tile
    from onnxviz.drawing.sheet import ColorBar, Sheet, Tile

    places = [place for place, axis in enumerate(answer.axes) if axis not in UNIT_AXES]
    if len(places) != 1 or values.shape[places[0]] != len(points):
        return None
    rows = np.moveaxis(values, places[0], -1).reshape(-1, len(points))
    chosen = [(one.index, answer.unit(one.index), _extremes(one)) for one in answer.units[:_TRACES]]
    if len(chosen) == 0 or len(answer.units) != len(rows):
        chosen = [(0, answer.target, "")]
    if len(rows) > len(chosen):
        subtitle += f" · the {len(chosen)} strongest of {len(rows)} units"
    signed = bool(rows.min() < 0)
    tiles = []
    for index, name, detail in chosen:
        row, largest = rows[index][None], float(np.abs(rows[index]).max()) or 1.0
        colors = diverging(row, largest)[0] if signed else sequential(row, 0.0, largest)[0]
        tiles.append(Tile(cloud_tile(points, colors), name, detail, sharp=False))
    scale: Literal["diverging", "sequential"] = "diverging" if signed else "sequential"
    note = "Each cloud has its own scale; its lowest and highest value are below it."
    return Sheet(tiles, title, subtitle, note, ColorBar(scale, 0.0, 1.0, "activation / the unit's largest")).draw()


def _traces(
    answer: Answer,
    values: np.ndarray,
    drawing: Drawing,
    sample: np.ndarray,
    rate: int | None,
    title: str,
    subtitle: str,
) -> Picture:
    from onnxviz.drawing.trace_chart import Traces, trace_chart

    along = "time" if "time" in answer.axes else "step"
    rows = np.moveaxis(values, answer.axes.index(along), -1).reshape(-1, values.shape[answer.axes.index(along)])
    names = [answer.target]
    if answer.units:
        chosen = answer.units[:_TRACES]
        rows = rows[[one.index for one in chosen]]
        names = [f"{answer.unit(one.index)}   std {one.spread:.3g}" for one in chosen]
        if len(answer.units) > len(chosen):
            subtitle += f" · the {len(chosen)} strongest of {len(answer.units)} units, each in its own scale"
    signal = None
    if drawing.expected.kind == "signal":
        signal = np.atleast_2d(sample.reshape(-1, sample.shape[-1]))
    return trace_chart(Traces(rows, names, signal, rate), title, subtitle)
