"""The texts of the samples that `examples` chose, and the token at the position of each maximum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onnxviz.analyses.examples.sheets import LISTS

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.data_source import DataSource
    from onnxviz.analyses.inputs.feed import Feed


def add_texts(rows: list[dict[str, Any]], feed: Feed, source: DataSource) -> None:
    """Add to each chosen sample its "text", and the "token" at the position of its maximum with its characters.

    Of a sequence of letters, the "token" is the part that the maximum sees.

    Parameters
    ----------
    rows : list of dict
        The rows of `ExemplarPass.rows`; they are changed.
    feed : Feed
        Reads the texts again.
    source : path or Texts
        The data set.
    """
    from onnxviz.analyses.inputs.feed import Tally

    if feed.text is None:
        return
    chosen = [one for row in rows for name in LISTS for one in row[name]]
    wanted = {one["id"] for one in chosen}
    texts: dict[str, str] = {}
    for batch in feed.batches(feed.open(source), 64, Tally(), wanted=wanted):
        texts |= zip(batch.identities, batch.texts, strict=True)
    axes = feed.contracts[feed.main].axes
    along = axes.index("position") if "position" in axes else None
    for row in rows:
        for one in (each for name in LISTS for each in row[name]):
            one["text"] = texts.get(one["id"], "")
            place = _place(row["target"], one["position"], feed)
            if place is None or not one["text"]:
                continue
            if along is not None and one["window"]:
                # A receptive field may have an axis for the letters, all of which it sees.
                start, end = one["window"][along if len(one["window"]) > 1 else 0]
                start, end = max(0, start), min(end, len(one["text"]))
                if start < end:
                    one["token"] = {"text": one["text"][start:end], "start": start, "end": end}
                continue
            encoded = feed.text.encode(one["text"])
            if place < encoded.real:
                one["token"] = encoded.rows()[place]


def _place(target: str, position: list[int] | None, feed: Feed) -> int | None:
    """Return the position of a maximum along the only axis that the target leaves free; None if it leaves none or several."""
    from onnxviz.target import Target

    if position is None:
        return None
    entries = Target.parse(target, feed.model.tensors).entries(len(position))
    free = [place for place, entry in enumerate(entries) if not isinstance(entry, int)]
    return position[free[0]] if len(free) == 1 else None
