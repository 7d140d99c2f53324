"""`embed`: a map of which samples of a data set are similar inside the model."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.embedding.request import EmbeddingRequest
from onnxviz.analyses.inputs.class_targets import with_class_numbers
from onnxviz.analyses.inputs.classes import with_classes
from onnxviz.analyses.inputs.data_source import only_source, source_text
from onnxviz.analyses.keywords import requested
from onnxviz.analyses.listener import SILENT, Listener
from onnxviz.analyses.opening import opened
from onnxviz.analyses.output import Output
from onnxviz.errors import UsageError

if TYPE_CHECKING:
    from onnxviz.analyses.embedding.codes import Codes
    from onnxviz.analyses.embedding.embedding import Embedding
    from onnxviz.analyses.inputs.data_source import DataSource
    from onnxviz.analyses.inputs.feed import Feed, Tally
    from onnxviz.methods.samples.plane import Plane
    from onnxviz.model.model import Model
    from onnxviz.target import Target


def embed(
    model: Model | str | os.PathLike[str] | bytes,
    data: DataSource | None = None,
    target: str = "",
    *,
    output: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    listener: Listener = SILENT,
    request: EmbeddingRequest | None = None,
    **keywords: Any,
) -> Embedding:
    """Show on a map which samples of a data set are similar in a tensor.

    Parameters
    ----------
    model : Model, path or bytes
        The model.
    data : path, array, or mapping of arrays
        A folder of pictures or sounds, an array, an archive, a table or a file of texts. May be left out if `text` is given.
    target : str
        The tensor whose codes are shown, or a part of it: ``features``, ``relu3[0:16]``.
    output, overwrite, resume
        As in `Output`: the folder for the map, its table and the codes.
    listener : Listener
        Receives notes and progress.
    request : EmbeddingRequest, optional
        A ready-made request, in place of keywords.
    **keywords
        Fields of `EmbeddingRequest`, `DataRequest` and `InputRequest`: method, flat, most, no_thumbnails, seed, input_name, label,
        strict, held, dims, shapes, value_range, mean, std, layout, channels, kind, letters.

    Raises
    ------
    UsageError, DataError, ModelError, EvaluationError
        If the request does not fit the model, or no sample can be read.
    """
    if request is None:
        request = requested(EmbeddingRequest, {**keywords, "targets": (target,)})
    return lay_out(model, data, request, Output(output, overwrite, resume), listener)


def lay_out(
    model: Model | str | os.PathLike[str] | bytes,
    data: DataSource | None,
    request: EmbeddingRequest,
    output: Output,
    listener: Listener,
) -> Embedding:
    """Return the map of the samples' codes, and write its files if a folder is given."""
    from onnxviz.analyses.embedding.embedding import Embedding
    from onnxviz.analyses.inputs.feed import Tally, prepare_feed
    from onnxviz.methods.samples.plane import project

    began = time.monotonic()
    samples = only_source(data, request.reading.text)
    model = with_classes(listener, opened(model), request.reading.classes)
    target = _target(model, with_class_numbers(model, request.targets))
    method = _method(listener, request.method)
    feed = prepare_feed(listener, model, request.reading, (samples,))
    source = source_text(samples)
    settings = {"verb": "embed", **model.identity, "data": source, "target": str(target), "method": method}
    with output.opened(listener, settings) as folder:
        tally = Tally()
        pictures = not request.no_thumbnails and (folder is not None or output.path is None)
        work, total = _computed(listener, feed, samples, target, request, tally, pictures)
        codes = work.matrix(listener)
        listener.note(f"{method} of {len(codes)} codes of {codes.shape[1]} numbers")
        plane = project(codes, method, request.seed)
        told = {
            "model": model.provenance,
            "data": source,
            "target": str(target),
            "question": target.question.sentence,
            "samples": len(codes),
            "of": total,
            "skipped": [{"id": identity, "message": said} for identity, said in tally.problems],
            **_figures(work, codes, plane, request.seed),
            "seconds": round(time.monotonic() - began, 3),
        }
        identities, labels = tuple(work.identities), tuple(work.labels)
        found = Embedding(model, told, codes, plane, identities, labels, tuple(work.thumbnails))
        if folder is not None:
            found = found.placed(folder.path)
            found.save(folder.partial)
    return found


def _computed(
    listener: Listener,
    feed: Feed,
    data: DataSource,
    target: Target,
    request: EmbeddingRequest,
    tally: Tally,
    pictures: bool,
) -> tuple[Codes, int]:
    """Return the codes of the samples, and the number of samples in the data set."""
    from onnxviz.analyses.embedding.codes import Codes
    from onnxviz.analyses.inputs.forward import Forward

    forward = Forward(feed, [target.tensor])
    samples = feed.open(data)
    wanted, total = _chosen(samples, request.most, request.seed)
    if wanted is not None:
        listener.note(f"{len(wanted)} of {total} samples shown, drawn by `seed` {request.seed}; show more with `most`")
    work = Codes(feed.model, feed, target, request.flat, pictures)
    batches = feed.batches(samples, forward.at_once, tally, wanted=wanted)
    with listener.progress("samples", len(wanted or ()) or total) as told, closing(batches):
        for batch in batches:
            work.add(batch, forward(batch.arrays)[target.tensor])
            told(len(work.identities), "")
    feed.close(tally, len(work.identities))
    return work, total


def _figures(work: Codes, codes: np.ndarray, plane: Plane, seed: int) -> dict[str, Any]:
    """Return the part of the document about the plane and its points."""
    from onnxviz.methods.samples.plane import agreement

    labels = np.asarray(work.labels)
    classes = sorted(set(work.labels) - {""})
    return {
        "features": codes.shape[1],
        "method": plane.method,
        "seed": seed,
        "explained": list(plane.explained),
        "neighbors_kept": plane.kept,
        "classes": classes,
        "neighbor_agreement": agreement(codes, labels) if len(classes) > 1 else None,
        "points": [
            {"id": identity, "x": float(x), "y": float(y), "label": label, **({"text": text} if text else {})}
            for identity, (x, y), label, text in zip(
                work.identities, plane.points, work.labels, work.texts or [""] * len(work.identities), strict=True
            )
        ],
    }


def _target(model: Model, texts: Sequence[str]) -> Target:
    from onnxviz.model.graph.zipped import unzipped
    from onnxviz.model.tensors.questions import questioned
    from onnxviz.target import EACH, Target

    if len(texts) > 1:
        raise UsageError("embed shows one tensor: give only one target")
    target = Target.parse(texts[0], model.tensors)
    target = questioned(model, unzipped(model, target) or target, each=True)
    info = model.require(target.tensor, texts[0])
    if info.container != "tensor":
        raise UsageError(f"{texts[0]}: {target.tensor} is a {info.container}, not a tensor")
    return replace(target, index=tuple(slice(None) if entry is EACH else entry for entry in target.index))


def _method(listener: Listener, chosen: str | None) -> Any:
    from onnxviz.methods.samples.plane import available

    if chosen is not None:
        if not available(chosen):
            package = {"tsne": "scikit-learn", "umap": "umap-learn"}[chosen]
            raise UsageError(f"`method` {chosen} needs {package}: pip install {package}, or choose `method` pca")
        return chosen
    if available("tsne"):
        return "tsne"
    listener.note("principal components: t-SNE needs scikit-learn (pip install 'onnxviz[embed]')")
    return "pca"


def _chosen(data: Any, most: int, seed: int) -> tuple[frozenset[str] | None, int]:
    """Return the identities of the samples to show, or None for all samples, and the number of samples."""
    names = [identity for piece in data.pieces() for identity in piece.identities]
    if len(names) <= most:
        return None, len(names)
    picked = np.random.default_rng(seed).choice(len(names), most, replace=False)
    return frozenset(names[place] for place in picked), len(names)
