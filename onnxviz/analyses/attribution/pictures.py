"""The picture of an attribution: over pixels, over a waveform, as bars, as text, or over a plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.wording import question_text

if TYPE_CHECKING:
    from onnxviz.analyses.attribution.explained_inputs import Explained
    from onnxviz.analyses.attribution.found import Found
    from onnxviz.analyses.attribution.task import Aim, Task
    from onnxviz.drawing.attribution_panels import Panel
    from onnxviz.drawing.pictures import Picture


_FRAMES = 12
"""At most so many frames of a clip are drawn for each method."""


def draw(task: Task, aim: Aim, place: int, found: list[Found], row: dict[str, Any]) -> Picture:
    """Return the picture of all methods' attributions of one explained tensor, side by side.

    Parameters
    ----------
    task : Task
    aim : Aim
    place : int
        The number of the explained tensor.
    found : list of Found
        The result of each method.
    row : dict
        The row of the explanation, with the scores.

    Returns
    -------
    (height, width, 3) uint8
    """
    one = task.fed.explained[place]
    title = f"{aim.objective}" + (f" ({aim.label})" if aim.label else "")
    if len(task.fed.explained) > 1:
        title += f", by {one.name}"
    score, start = row["ort_score"], row["ort_baseline_score"]
    asked = f"{question_text(row['question'])} ".lstrip()
    subtitle = (
        f"{task.model.name}: {asked}{score:.4g} by ONNX Runtime, {start:.4g} for the baseline ({task.baseline_text})"
    )
    if row["explained"] != row["target"]:
        score, start = row["explained_score"], row["explained_baseline_score"]
        subtitle += f"; explained at {row['explained']}, {score:.4g} and {start:.4g}"
    panels = [_panel(each, place) for each in found]
    sizes = tuple(size for size in one.places.sizes if size > 1)
    own = [axis for at, axis in enumerate(one.places.axes) if at not in one.places.shared and one.places.shape[at] > 1]
    if one.tokens is not None and len(one.tokens) == one.places.count:
        from onnxviz.drawing.attribution_tokens import attribution_tokens

        names = task.token_names(one)
        encoded = task.fed.encoded
        # Padding is no part of the text.
        count = encoded.real if encoded is not None and len(encoded) == len(names) else len(names)
        return attribution_tokens(names[:count], [_cut(_flat(panel), count) for panel in panels], title, subtitle)
    if one.expected.kind == "letters" and not one.inside:
        return _over_letters(task, one, panels, title, subtitle)
    if one.expected.kind == "points" and not one.inside:
        from onnxviz.drawing.input_drawing import Drawing
        from onnxviz.drawing.point_cloud import Cloud, point_cloud

        places = Drawing(one.expected).points(one.sample[0])
        return point_cloud([Cloud(places, _flat(panel)) for panel in panels], title, subtitle)
    if one.expected.kind == "clip" and not one.inside:
        return _over_frames(one, panels, title, subtitle)
    if _has_pixels(one):
        return _over_pixels(one, panels, title, subtitle)
    if len(sizes) < 2 and "time" in own:
        return _over_time(task, one, panels, title, subtitle)
    if len(sizes) < 2:
        from onnxviz.drawing.attribution_bars import attribution_bars

        known = task.features.names if place == 0 else ()
        values, baseline = (one.places.total(array[0]).reshape(-1) for array in (one.sample, task.baselines[place]))
        shown = [_with_signs(panel, each, place) for panel, each in zip(panels, found, strict=True)]
        texts = [one.texts(each) for each in (one.sample, task.baselines[place])]
        return attribution_bars(values, baseline, shown, known, title, subtitle, (texts[0], texts[1]))
    return _over_plane(one, panels, own, title, subtitle)


def laid_over(task: Task, place: int, found: Found) -> tuple[Picture, Panel] | None:
    """Return one method's values over the explained picture, and its colors; None if the tensor is no picture.

    Parameters
    ----------
    task : Task
    place : int
        The number of the explained tensor.
    found : Found
        The result of the method.

    Returns
    -------
    ((height, width, 3) uint8, Panel) or None
    """
    from onnxviz.drawing.attribution_panels import overlay

    one = task.fed.explained[place]
    shown = _panel(found, place)
    if not _has_pixels(one):
        return None
    return overlay(_pixels(one), shown.values, shown.signed, shown.limit), shown


def _has_pixels(one: Explained) -> bool:
    return not one.inside and one.expected.kind == "image" and {"height", "width"} <= set(one.places.axes)


def _panel(one: Found, place: int) -> Panel:
    from onnxviz.drawing.attribution_panels import Curves, Panel

    areas, curves = one.faithfulness.summary, one.faithfulness
    texts = ("the baseline and the input have the same score", "")
    if areas["insertion"] is not None:
        texts = (
            f"inserted: {areas['insertion']:.2f}, by chance {areas['chance_insertion']:.2f}",
            f"deleted: {areas['deletion']:.2f}, by chance {areas['chance_deletion']:.2f}",
        )
    lines = Curves(
        curves.shares, curves.deletion, curves.insertion, curves.chance_deletion, curves.chance_insertion, texts
    )
    found = one.attribution
    return Panel(found.method, one.maps[place], found.signed, found.unit, lines)


def _with_signs(panel: Panel, one: Found, place: int) -> Panel:
    """Return the panel with the method's signed values, which bars can show."""
    from dataclasses import replace

    values = np.asarray(one.attribution.values[place]).reshape(-1)
    return replace(panel, values=values) if values.size == np.size(panel.values) else _flat(panel)


def _flat(panel: Panel) -> Panel:
    from dataclasses import replace

    return replace(panel, values=np.asarray(panel.values).reshape(-1))


def _cut(panel: Panel, count: int) -> Panel:
    from dataclasses import replace

    return replace(panel, values=np.asarray(panel.values)[:count])


def _over_pixels(one: Explained, panels: list[Panel], title: str, subtitle: str) -> Picture:
    from onnxviz.drawing.attribution_maps import attribution_maps

    return attribution_maps(_pixels(one), panels, title, subtitle)


def _pixels(one: Explained) -> Picture:
    from onnxviz.drawing.attribution_maps import plane_picture
    from onnxviz.drawing.input_drawing import Drawing

    color = one.expected.color is not None and one.expected.bounded
    # An input whose channels are no colors is shown as their mean.
    return Drawing(one.expected).draw(one.sample[0]) if color else plane_picture(_mean(one))


def _over_frames(one: Explained, panels: list[Panel], title: str, subtitle: str) -> Picture:
    """Return the frames of a clip, and below each method its values over the same frames."""
    from dataclasses import replace

    from onnxviz.drawing.attribution_maps import attribution_maps
    from onnxviz.drawing.film_strip import joined, shown_frames
    from onnxviz.drawing.input_drawing import Drawing

    sample = one.sample[0]
    time = one.expected.axes.index("time")
    places = shown_frames(sample.shape[time], _FRAMES)
    frames = Drawing(one.expected).frames(sample)
    own = [axis for axis in one.places.axes if axis != "channel"]

    def laid(values: np.ndarray) -> np.ndarray:
        planes = np.moveaxis(np.asarray(values, np.float64).reshape(one.places.sizes), own.index("time"), 0)
        return joined([planes[place] for place in places], 0.0)

    background = joined([frames[place] for place in places], 255)
    shown = [replace(panel, values=laid(panel.values)) for panel in panels]
    count = sample.shape[time]
    caption = f"the input, {count} frames" if count == len(places) else f"the input, {len(places)} of {count} frames"
    return attribution_maps(background, shown, title, subtitle, caption=caption)


def _over_letters(task: Task, one: Explained, panels: list[Panel], title: str, subtitle: str) -> Picture:
    """Return a logo for each method: the sequence's letters, as tall as their values."""
    from onnxviz.drawing.attribution_panels import CURVES_NOTE
    from onnxviz.drawing.sequence_logo import Logo, sequence_logo
    from onnxviz.formats.letters import text_of

    rows = np.moveaxis(one.sample[0], one.places.axes.index("letter"), -1)
    text, encoded = text_of(one.sample[0], one.places.axes, one.expected.letters), task.fed.encoded
    # Positions behind the end of the sequence are no part of it.
    count = encoded.real if encoded is not None else len(text)
    shown = [
        Logo(
            (rows * np.asarray(panel.values, np.float64).reshape(-1, 1))[:count],
            one.expected.letters,
            text[:count],
            panel.title,
            panel.unit,
            panel.curves,
        )
        for panel in panels
    ]
    note = CURVES_NOTE.partition(". ")[2] if any(panel.curves for panel in panels) else ""
    return sequence_logo(shown, title, subtitle, note)


def _over_time(task: Task, one: Explained, panels: list[Panel], title: str, subtitle: str) -> Picture:
    from onnxviz.drawing.attribution_waves import attribution_waves

    moved = np.moveaxis(one.sample[0], one.places.axes.index("time"), -1)
    return attribution_waves(
        moved.reshape(-1, moved.shape[-1]),
        [_flat(panel) for panel in panels],
        task.fed.rates.get(one.name),
        title,
        subtitle,
    )


def _over_plane(one: Explained, panels: list[Panel], own: list[str], title: str, subtitle: str) -> Picture:
    from dataclasses import replace

    from onnxviz.drawing.attribution_maps import attribution_maps, plane_picture

    sizes = [size for size in one.places.sizes if size > 1]
    rows, columns = " × ".join(own[:-1]), own[-1]
    # Time runs to the right, whatever the order of the axes.
    turned = own == ["time", "feature"]

    def plane(array: np.ndarray) -> np.ndarray:
        flat = np.asarray(array).reshape(-1, sizes[-1])
        return flat.T if turned else flat

    shown = [replace(panel, values=plane(panel.values)) for panel in panels]
    names = (columns, rows) if turned else (rows, columns)
    caption = "the input" if not one.inside else one.name
    return attribution_maps(plane_picture(plane(_mean(one))), shown, title, subtitle, names, caption)


def _mean(one: Explained) -> np.ndarray:
    """Return a sample's mean over the axes that its places share: (*sizes)."""
    mean: np.ndarray = np.asarray(one.sample[0], np.float64).mean(axis=one.places.shared)
    return mean


def place_name(task: Task, name: str, place: int) -> str:
    """Return the name of the feature or token at a place; "" if it has no name."""
    first = task.fed.explained[0]
    if name == first.name and task.features.names:
        return task.features.names[place]
    explained = next(one for one in task.fed.explained if one.name == name)
    if explained.expected.kind == "letters" and not explained.inside:
        from onnxviz.formats.letters import text_of

        text = text_of(explained.sample[0], explained.places.axes, explained.expected.letters)
        return f"{text[place]} at {place}"
    if explained.tokens is not None and len(explained.tokens) == explained.places.count:
        return task.token_names(explained)[place]
    return ""
