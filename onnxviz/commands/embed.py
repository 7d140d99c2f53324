"""``onnxviz embed``: how a data set lies in the space of a tensor, on a plane."""

from __future__ import annotations

import csv
import io
import time
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onnxviz.commands.options import (
    check_output,
    data_options,
    json_option,
    model_argument,
    output_options,
    seed_option,
    target_option,
)
from onnxviz.commands.terminal import Terminal, visible
from onnxviz.errors import DataError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from onnxviz.analyses.inputs.feed import Batch, Feed
    from onnxviz.drawing.pictures import Picture
    from onnxviz.formats.output_folder import OutputFolder
    from onnxviz.methods.samples.plane import Plane
    from onnxviz.model.model import Model
    from onnxviz.target import Target

_THUMBNAIL = 150
_LARGEST_CODE = 1 << 20


@click.command()
@model_argument
@click.argument("data", metavar="DATA")
@target_option("The tensor whose codes are shown, or a part of it: 'features', 'relu3[0:16]'.", required=True)
@click.option(
    "--method",
    type=click.Choice(["pca", "tsne", "umap"]),
    help="How the codes are laid out. [default: tsne where scikit-learn is installed, else pca]",
)
@click.option("--flat", is_flag=True, help="Keep every position of a spatial tensor, instead of its channels' means.")
@click.option(
    "--samples",
    "most",
    type=click.IntRange(min=3),
    default=2000,
    show_default=True,
    help="Of a larger data set, show so many samples, drawn by the seed.",
)
@click.option("--no-thumbnails", is_flag=True, help="Show points, also of pictures.")
@data_options
@seed_option
@output_options
@json_option
@click.pass_obj
def embed(terminal: Terminal, /, **options: Any) -> int:
    """Show how the samples of DATA lie in the space of a tensor of MODEL.

    Each sample's code is what ONNX Runtime computes there on the untouched model, spatial tensors averaged over space. With -o
    the map is written as map.png (with thumbnails of pictures, in the colors of --color COLUMN or of the subfolders) and as
    map.csv, and the codes in arrays.npz.

    \b
    Examples:
      onnxviz embed sample_models/digits.onnx sample_models/digits_held_out.npy -t features -o digits
      onnxviz embed sample_models/wine.onnx sample_models/wine.csv -t relu1 --method pca -o wines
    """
    import numpy as np

    import onnxviz
    from onnxviz.analyses.inputs.feed import Tally, prepare_feed
    from onnxviz.analyses.inputs.forward import Forward
    from onnxviz.formats.output_folder import OutputFolder
    from onnxviz.methods.samples.plane import agreement, project

    check_output(options["output"], options["overwrite"], options["resume"])
    began = time.monotonic()
    model = onnxviz.load(options["model_path"])
    target = _target(model, options["targets"])
    method = _method(terminal, options["method"])
    feed = prepare_feed(terminal, model, options, (options["data"],))
    settings = {
        "verb": "embed",
        "model": model.digest,
        "data": options["data"],
        "target": str(target),
        "method": method,
    }
    place = (
        OutputFolder(options["output"], overwrite=options["overwrite"], resume=options["resume"], settings=settings)
        if options["output"] is not None
        else nullcontext()
    )
    with place as folder:
        forward = Forward(feed, [target.tensor])
        data = feed.open(options["data"])
        wanted, total = _chosen(data, options["most"], options["seed"])
        if wanted is not None:
            terminal.note(
                f"{len(wanted)} of {total} samples shown, drawn by --seed {options['seed']}; --samples takes more"
            )
        work = _Codes(model, feed, target, options["flat"], folder is not None and not options["no_thumbnails"])
        tally = Tally()
        batches = feed.batches(data, forward.at_once, tally, wanted=wanted)
        with terminal.progress("samples", len(wanted or ()) or total) as told, closing(batches):
            for batch in batches:
                work.add(batch, forward(batch.arrays)[target.tensor])
                told(len(work.identities), "")
        feed.close(tally, len(work.identities))
        codes = work.matrix(terminal)
        terminal.note(f"{method} of {len(codes)} codes of {codes.shape[1]} numbers")
        plane = project(codes, method, options["seed"])
        labels = np.asarray(work.labels)
        classes = sorted(set(work.labels) - {""})
        document: dict[str, Any] = {
            "model": {"path": str(model.path), "sha256": model.digest},
            "data": options["data"],
            "target": str(target),
            "samples": len(codes),
            "of": total,
            "skipped": [{"id": identity, "message": said} for identity, said in tally.problems],
            "features": codes.shape[1],
            "method": method,
            "seed": options["seed"],
            "explained": list(plane.explained),
            "neighbors_kept": plane.kept,
            "classes": classes,
            "neighbor_agreement": agreement(codes, labels) if len(classes) > 1 else None,
            "points": [
                {"id": identity, "x": float(x), "y": float(y), "label": label}
                for identity, (x, y), label in zip(work.identities, plane.points, work.labels, strict=True)
            ],
            "files": [],
        }
        if folder is not None:
            document["files"] = _write(folder, model, work, codes, plane, document)
        document["seconds"] = round(time.monotonic() - began, 3)
        terminal.emit(document, options["as_json"], lambda console: _show(console, document))
    return 0


def _target(model: Model, texts: tuple[str, ...]) -> Target:
    from onnxviz.model.graph.zipped import unzipped
    from onnxviz.target import EACH, Target

    if len(texts) > 1:
        raise UsageError("embed shows one tensor: give one -t")
    target = Target.parse(texts[0], model.tensors)
    target = unzipped(model, target) or target
    info = model.require(target.tensor, texts[0])
    if info.container != "tensor":
        raise UsageError(f"{texts[0]}: {target.tensor} is a {info.container}, not a tensor")
    return Target(target.tensor, tuple(slice(None) if entry is EACH else entry for entry in target.index))


def _method(terminal: Terminal, chosen: str | None) -> Any:
    from onnxviz.methods.samples.plane import available

    if chosen is not None:
        if not available(chosen):
            package = {"tsne": "scikit-learn", "umap": "umap-learn"}[chosen]
            raise UsageError(f"--method {chosen} needs {package}: pip install {package}, or take --method pca")
        return chosen
    if available("tsne"):
        return "tsne"
    terminal.note("principal components: t-SNE needs scikit-learn (pip install 'onnxviz[embed]')")
    return "pca"


def _chosen(data: Any, most: int, seed: int) -> tuple[frozenset[str] | None, int]:
    """Draw samples where there are too many; return their identities, or None for all, and how many there are."""
    import numpy as np

    names = [identity for piece in data.pieces() for identity in piece.identities]
    if len(names) <= most:
        return None, len(names)
    picked = np.random.default_rng(seed).choice(len(names), most, replace=False)
    return frozenset(names[place] for place in picked), len(names)


class _Codes:
    """The codes of samples, as they come, and small pictures of the samples."""

    def __init__(self, model: Model, feed: Feed, target: Target, flat: bool, pictures: bool) -> None:
        from onnxviz.drawing.input_drawing import Drawing

        self.model, self.feed, self.target, self.flat = model, feed, target, flat
        self.identities: list[str] = []
        self.labels: list[str] = []
        self.thumbnails: list[Picture] = []
        self._codes: list[np.ndarray] = []
        self._drawing = Drawing(feed.contracts[feed.main])
        self._pictures = pictures and self._drawing.is_picture

    def add(self, batch: Batch, values: np.ndarray) -> None:
        """Keep the codes of a batch."""
        codes = self._code(values)
        if self._codes and codes.shape[1] != self._codes[0].shape[1]:
            raise DataError(
                f"{self.target}: samples of different sizes have codes of {self._codes[0].shape[1]} and {codes.shape[1]} numbers; "
                "leave out --flat, or settle the input's size with --shape"
            )
        self._codes.append(codes)
        self.identities += batch.identities
        self.labels += batch.labels
        if self._pictures:
            self.thumbnails += [_small(self._drawing.draw(sample)) for sample in batch.arrays[self.feed.main]]

    def _code(self, values: np.ndarray) -> np.ndarray:
        import numpy as np

        from onnxviz.model.tensors.tensor_axes import tensor_axes

        if self.target.index:
            self.target.check(values.shape[1:])
            # A place is kept as an axis of one, so that the axes keep their meanings.
            index: list[Any] = [slice(None)]
            index += [slice(one, one + 1 or None) if isinstance(one, int) else one for one in self.target.index]
            values = values[tuple(index)]
        values = np.asarray(values, np.float32)
        axes = tensor_axes(self.model, self.target.tensor, values.ndim - 1)
        counted = [1 + place for place, axis in enumerate(axes) if axis in ("channel", "feature")]
        if values.ndim > 2 and not self.flat and counted:
            values = values.mean(axis=tuple(axis for axis in range(1, values.ndim) if axis not in counted))
        codes: np.ndarray = values.reshape(len(values), -1)
        if codes.shape[1] > _LARGEST_CODE:
            raise DataError(
                f"{self.target}: a code has {codes.shape[1]:,} numbers, more than is shown; leave out --flat"
            )
        return codes

    def matrix(self, terminal: Terminal) -> np.ndarray:
        """Return all codes, (sample, feature); those that are not finite are left out, with their samples."""
        import numpy as np

        codes = np.concatenate(self._codes)
        finite = np.isfinite(codes).all(axis=1)
        if not finite.all():
            terminal.note(f"{int((~finite).sum())} samples have codes that are not finite and are left out")
            kept = np.flatnonzero(finite)
            self.identities = [self.identities[place] for place in kept]
            self.labels = [self.labels[place] for place in kept]
            self.thumbnails = [self.thumbnails[place] for place in kept] if self.thumbnails else []
        found: np.ndarray = codes[finite]
        return found


def _small(picture: Picture) -> Picture:
    import numpy as np
    from PIL import Image

    if max(picture.shape[:2]) <= _THUMBNAIL:
        return picture
    image = Image.fromarray(np.ascontiguousarray(picture))
    image.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _write(
    folder: OutputFolder, model: Model, work: _Codes, codes: np.ndarray, plane: Plane, document: dict[str, Any]
) -> list[str]:
    from onnxviz.drawing.pictures import save_picture
    from onnxviz.drawing.point_map import point_map
    from onnxviz.formats.atomic_file import atomic_file
    from onnxviz.formats.results import Result

    subtitle = f"{document['samples']} samples of {Path(document['data']).name} in {model.name}, {document['features']} numbers each; "
    subtitle += {"pca": "principal components", "tsne": "t-SNE", "umap": "UMAP"}[plane.method]
    if plane.explained:
        subtitle += f" ({sum(plane.explained):.0%} of the variance)"
    note = f"{plane.kept:.0%} of each sample's 10 nearest here are among its 10 nearest codes"
    if document["neighbor_agreement"] is not None:
        note += f"; {document['neighbor_agreement']:.0%} of the nearest codes are of the same class"
    picture = point_map(plane.points, work.labels, work.thumbnails, document["target"], subtitle, note)
    save_picture(folder.file("map.png"), picture)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("id", "x", "y", "label"))
    for point in document["points"]:
        table.writerow((point["id"], repr(point["x"]), repr(point["y"]), point["label"]))
    with atomic_file(folder.file("map.csv")) as file:
        file.write(text.getvalue().encode("utf-8"))
    names = ["map.png", "map.csv", "arrays.npz", "result.json"]
    files = [str(folder.path / name) for name in names]
    arrays = {"codes": codes, "points": plane.points}
    provenance = {"model": model.name, "sha256": model.digest, "seed": document["seed"]}
    Result(
        arrays,
        {"codes": "sample feature", "points": "sample axis"},
        {**document, "files": files},
        provenance=provenance,
    ).save(folder.partial)
    return files


def _show(console: Console, document: dict[str, Any]) -> None:
    of = f" of {document['of']}" if document["of"] != document["samples"] else ""
    console.print(
        f"{visible(document['target'])}: {document['samples']}{of} samples, codes of {document['features']} numbers",
        style="bold",
    )
    if document["explained"]:
        shares = " and ".join(f"{share:.1%}" for share in document["explained"])
        console.print(f"the two axes hold {shares} of the variance")
    console.print(
        f"{document['neighbors_kept']:.0%} of each sample's 10 nearest in the plane are among its 10 nearest codes"
    )
    if document["neighbor_agreement"] is not None:
        console.print(
            f"{document['neighbor_agreement']:.0%} of the nearest codes are of the same class, of {len(document['classes'])}"
        )
    for file in document["files"]:
        console.print(f"  {visible(file)}")
