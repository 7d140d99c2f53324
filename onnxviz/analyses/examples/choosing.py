"""`examples`: finds the samples of a data set with the highest and lowest scores for targets."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onnxviz.analyses.examples.request import ExamplesRequest
from onnxviz.analyses.inputs.class_targets import with_class_numbers
from onnxviz.analyses.inputs.classes import with_classes
from onnxviz.analyses.inputs.data_source import only_source, source_text
from onnxviz.analyses.keywords import requested
from onnxviz.analyses.listener import SILENT, Listener
from onnxviz.analyses.opening import opened
from onnxviz.analyses.output import Output, as_written

if TYPE_CHECKING:
    from onnxviz.analyses.examples.ranking import Ranking
    from onnxviz.analyses.inputs.data_source import DataSource
    from onnxviz.formats.output_folder import OutputFolder
    from onnxviz.model.model import Model

_STORE = "scores.sqlite"
_SAID = ("value_range", "mean", "std", "layout", "channels", "kind", "letters", "held", "dims", "shapes")


class Rankings(list["Ranking"]):
    """The rankings of one call, one for each target.

    Attributes
    ----------
    about : dict
        The facts of the whole pass: model, data, samples, read, known, skipped, at (None where nothing was asked for), k.
    seconds : float
        The duration of the call.
    files : list of str
        The written files.
    """

    def __init__(self, about: dict[str, Any]) -> None:
        super().__init__()
        self.about = about
        self.seconds = 0.0
        self.files: list[str] = []

    def document(self) -> dict[str, Any]:
        """Return the rankings as `examples --json` prints them."""
        runs = [one.row() for one in self]
        return {**self.about, "runs": runs, "files": self.files, "seconds": round(self.seconds, 3)}


def examples(
    model: Model | str | os.PathLike[str] | bytes,
    data: DataSource | None = None,
    targets: str | Sequence[str] = (),
    *,
    output: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    listener: Listener = SILENT,
    request: ExamplesRequest | None = None,
    **keywords: Any,
) -> Ranking | Rankings:
    """Find the samples of a data set with the highest and lowest scores for targets.

    ONNX Runtime computes the scores on the untouched file.

    Parameters
    ----------
    model : Model, path or bytes
        The model.
    data : path, array, or mapping of arrays
        A folder of pictures or sounds, an array, an archive, a table or a file of texts. It is read once, for any number of targets. May
        be left out if `text` is given.
    targets : str or sequence of str
        The targets that score the samples: ``conv1[*]`` (every unit), ``logits[3]``, a sum.
    output, overwrite, resume
        As in `Output`: a folder for sheets, tables and a store of all scores.
    listener : Listener
        Receives notes and progress.
    request : ExamplesRequest, optional
        A ready-made request, instead of keywords.
    **keywords
        Fields of `ExamplesRequest`, `DataRequest` and `InputRequest`: k, at, synthetic, sheets, input_name, label, strict, classes,
        text, text_column, vocab, held, dims, shapes, value_range, mean, std, layout, channels, kind, letters.

    Returns
    -------
    Ranking, or a list of rankings
        A list if `targets` is a sequence, or if a target stands for several units.

    Raises
    ------
    UsageError, DataError, ModelError, EvaluationError
        If the request does not fit the model, or no sample can be read.
    """
    if request is None:
        chosen = (targets,) if isinstance(targets, str) else tuple(targets)
        request = requested(ExamplesRequest, {**keywords, "targets": chosen})
    found = rank(model, data, request, Output(output, overwrite, resume), listener)
    return found[0] if len(found) == 1 and isinstance(targets, str) else found


def rank(
    model: Model | str | os.PathLike[str] | bytes,
    data: DataSource | None,
    request: ExamplesRequest,
    output: Output,
    listener: Listener,
) -> Rankings:
    """Score every sample for every target, choose samples, write the requested files, and return the rankings."""
    from onnxviz.analyses.examples.ranking import Ranking
    from onnxviz.analyses.examples.scoring_pass import ExemplarPass
    from onnxviz.analyses.examples.sheets import Sheets, synthetic_pictures
    from onnxviz.analyses.examples.texts import add_texts
    from onnxviz.analyses.inputs.feed import prepare_feed
    from onnxviz.formats.score_store import ScoreStore

    began = time.monotonic()
    source = only_source(data, request.reading.text)
    model = with_classes(listener, opened(model), request.reading.classes)
    request = replace(request, targets=with_class_numbers(model, request.targets))
    made = synthetic_pictures(Path(request.synthetic)) if request.synthetic is not None else {}
    work = ExemplarPass(listener, model, request.targets, request.at)
    feed = prepare_feed(listener, model, request.reading, (source,))
    samples = feed.open(source)
    with output.opened(listener, _settings(model, request)) as folder:
        # The store is closed before the folder gets its name. After an interruption it keeps the finished scores.
        with _store_place(folder) as place, closing(ScoreStore(place)) as store:
            tally, read = work.run(feed, samples, store)
            feed.close(tally, read)
            rows = work.rows(store, request.k)
        if feed.text is not None:
            add_texts(rows, feed, source)
        found = Rankings(
            {
                "model": model.provenance,
                "data": source_text(source),
                "samples": read + tally.unchanged,
                "read": read,
                "known": tally.unchanged,
                "skipped": [{"id": identity, "message": said} for identity, said in tally.problems],
                "at": request.at,
                "k": request.k,
            }
        )
        drawing = feed.drawing()
        sheets = Sheets(feed, drawing, source, made)
        found.extend(Ranking(row, sheets) for row in rows)
        if folder is not None:
            _write(listener, folder, found, request.sheets)
        found.seconds = time.monotonic() - began
    return found


def _settings(model: Model, request: ExamplesRequest) -> dict[str, Any]:
    """Return the settings that the scores depend on. A folder with other settings is not resumed."""
    reading = request.reading
    said = {key: getattr(reading.inputs, key) for key in _SAID}
    return {
        "verb": "examples",
        **model.identity,
        "targets": list(request.targets),
        **as_written({**said, "input_name": reading.input_name, "label": reading.label, "at": request.at}),
        **as_written(
            {key: getattr(reading, key) for key in ("text_column", "vocab") if getattr(reading, key) is not None}
        ),
    }


@contextmanager
def _store_place(folder: OutputFolder | None) -> Iterator[Path]:
    """Provide the path of the store of scores: in the output folder, or else in a temporary folder."""
    from tempfile import TemporaryDirectory

    with ExitStack() as stack:
        yield folder.file(_STORE) if folder is not None else Path(stack.enter_context(TemporaryDirectory()), _STORE)


def _write(listener: Listener, folder: OutputFolder, found: Rankings, most: int) -> None:
    """Write the sheets, the tables and the whole result."""
    from onnxviz.analyses.examples.tables import write_tables
    from onnxviz.drawing.pictures import save_picture
    from onnxviz.formats.atomic_file import atomic_file
    from onnxviz.formats.file_names import safe_names
    from onnxviz.formats.json_documents import json_text

    names = safe_names(one.target for one in found)
    drawn = found[:most]
    if len(drawn) < len(found):
        listener.note(f"sheets of the first {len(drawn)} of {len(found)} targets are drawn; `sheets` sets the number")
    places = {one.target: place for place, one in enumerate(found)}
    files: list[str] = []
    sheets = found[0].sheets if found else None
    with listener.progress("sheets", len(drawn)) as told:
        for group in sheets.groups([one.told for one in drawn]) if sheets is not None else ():
            samples = sheets.samples(group) if sheets is not None else {}
            for row in group:
                picture = sheets.draw(row, samples) if sheets is not None else None
                if picture is not None:
                    name = f"{names[row['target']]}.png"
                    save_picture(folder.file(name), picture)
                    place = places[row["target"]]
                    found[place] = replace(found[place], files=(str(folder.path / name),))
                    files.append(str(folder.path / name))
                told(len(files), row["target"])
    files += [str(folder.path / name) for name in write_tables(folder, [one.row() for one in found])]
    found.files = [*files, *(str(folder.path / name) for name in ("result.json", _STORE))]
    with atomic_file(folder.file("result.json")) as file:
        document = {key: value for key, value in found.document().items() if key != "seconds"}
        file.write(json_text(document).encode("utf-8"))
