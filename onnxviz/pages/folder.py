"""The folder of a report: results by address, pictures, data for each tensor, and the page over all of it.

At any moment the folder opens in a browser: a picture stands before the result that names it, a result before the data that show
it, and every file takes its name in one step. What the content depends on is in it; what was measured of time is apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onnxviz.formats.atomic_file import atomic_file
from onnxviz.formats.json_documents import json_text, read_json
from onnxviz.formats.result_store import ResultStore
from onnxviz.pages.page import Page, assets, script_data
from onnxviz.pages.plan import Aim, Job
from onnxviz.pages.unit_page import best_of, examples_of, unit_entry

if TYPE_CHECKING:
    from onnxviz.drawing.pictures import Picture
    from onnxviz.formats.output_folder import OutputFolder
    from onnxviz.pages.unit_search import Searched

THUMBNAILS = 8
"""So many units of each tensor are shown on the first page."""

_REFRESH = 5.0
"""Seconds between two times that the first page is written while jobs run."""

_SECONDS = "seconds.json"


class ReportFolder:
    """What a report has so far, and how more is put into it.

    Parameters
    ----------
    folder : OutputFolder
        Open.
    digest : str
        Of the model.
    settings : mapping
        What every result depends on besides the model and its target.
    links : mapping of str to str
        From each tensor to its name in links and files.
    command : sequence of str
        What makes one unit again, without the target.
    """

    def __init__(
        self,
        folder: OutputFolder,
        digest: str,
        settings: Mapping[str, Any],
        links: Mapping[str, str],
        command: Sequence[str],
    ) -> None:
        self._folder = folder
        self._digest = digest
        self._settings = settings
        self._links = links
        self._command = command
        self._results = ResultStore(folder.partial / "results")
        self._written = -_REFRESH
        self.seconds: dict[str, Any] = {"jobs": {}, "sections": {}}
        if folder.done(_SECONDS):
            self.seconds = read_json(folder.partial / _SECONDS)
        for name, content in assets().items():
            self.write(f"assets/{name}", content)

    def plan(self, tensors: Mapping[str, int], call: dict[str, Any]) -> dict[str, Any]:
        """Add to what is wanted, and return all of it: from "tensors" to how many units of each, and the "calls" that asked.

        What an earlier call wanted is wanted still.
        """
        document: dict[str, Any] = {"tensors": {}, "calls": []}
        if self._folder.done("plan.json"):
            document = read_json(self._folder.partial / "plan.json")
        for name, units in tensors.items():
            document["tensors"][name] = max(units, document["tensors"].get(name, 0))
        if call not in document["calls"]:
            document["calls"].append(call)
        self.write("plan.json", (json_text(document) + "\n").encode("ascii"))
        return document

    def keep_picture(self, place: str, picture: Picture) -> dict[str, Any]:
        """Write a picture; return its place and size."""
        from onnxviz.drawing.pictures import save_picture

        save_picture(self._folder.file(place), picture)
        return {"file": place, "width": picture.shape[1], "height": picture.shape[0]}

    def once(self, name: str, compute: Callable[[], Any], told: str = "") -> Any:
        """Return something that depends on its name, the model and the settings alone: kept, or else computed and kept.

        Parameters
        ----------
        name : str
            What tells it from all else of the model.
        compute : callable
            Called where nothing is kept.
        told : str
            What the time that it took counts for; its name, if nothing else is said.
        """
        from onnxviz.formats.json_documents import plain

        key = self.address(name)
        found = self._results.get(key)
        if found is None:
            began = time.monotonic()
            found = plain(compute())
            self._results.put(key, found)
            self.took(told or name, time.monotonic() - began)
        return found

    def kept(self, name: str) -> Any:
        """Return what `once` kept under a name; None where it has not computed it yet."""
        return self._results.get(self.address(name))

    def link(self, tensor: str) -> str:
        """Return a tensor's name in links and files."""
        return self._links[tensor]

    def took(self, name: str, seconds: float) -> None:
        """Add to the time that something took."""
        self.seconds["sections"][name] = round(self.seconds["sections"].get(name, 0.0) + seconds, 3)

    def address(self, name: str) -> str:
        """Return the address of something that the whole model has one of."""
        import hashlib

        identity = json_text({"model": self._digest, "section": name, "settings": dict(self._settings)}, None)
        return hashlib.sha256(identity.encode("ascii")).hexdigest()

    def done(self, job: Job) -> bool:
        """Tell whether a job is done."""
        return self._results.has(job.key(self._digest, self._settings))

    def keep(self, job: Job, searched: Searched) -> None:
        """Keep what a job found: its pictures first, the result that names them last."""
        folder = self._links[job.aim.tensor]
        pictures = []
        for unit, (content, (width, height)) in zip(job.units, searched.pictures, strict=False):
            place = f"units/{folder}/{unit}.png"
            self.write(place, content)
            pictures.append({"file": place, "width": width, "height": height})
        key = job.key(self._digest, self._settings)
        self._results.put(
            key,
            {
                "targets": job.targets,
                "units": job.units if searched.rows else [],
                "rows": searched.rows,
                "pictures": pictures,
                "is_chart": searched.is_chart,
                "message": searched.message,
            },
        )
        self.seconds["jobs"][key] = {"tensor": job.aim.tensor, "units": len(job.units), "seconds": searched.seconds}

    def tensor(
        self,
        aim: Aim,
        planned: Sequence[Job],
        about: Mapping[str, Any],
        values: Sequence[tuple[str, Sequence[float]]] = (),
    ) -> dict[str, Any]:
        """Return what the page of a tensor shows.

        Parameters
        ----------
        aim : Aim
            The tensor.
        planned : sequence of Job
            Its jobs, done or not.
        about : mapping
            What is known of it without a search.
        values : sequence of (str, sequence of float)
            What its units are on sample inputs, with the inputs' names.
        """
        units, messages, is_chart = [], [], False
        real = self.document(self.data_place(aim.tensor)) or {"units": {}}
        for job in planned:
            found = self._results.get(job.key(self._digest, self._settings))
            if found is None:
                continue
            is_chart = is_chart or found["is_chart"]
            if found["message"] and found["message"] not in messages:
                messages.append(found["message"])
            units += [
                unit_entry(
                    unit,
                    row,
                    picture,
                    self._command,
                    real["units"].get(str(unit)),
                    [(name, each[unit]) for name, each in values],
                )
                for unit, row, picture in zip(found["units"], found["rows"], found["pictures"], strict=True)
            ]
        units.sort(key=lambda entry: entry["unit"])
        used = {one["id"] for entry in units if "real" in entry for one in examples_of(entry["real"])}
        seen = {key: real[key] for key in ("data", "samples", "complete", "columns") if key in real}
        return {
            **about,
            "wanted": sum(len(job.units) for job in planned),
            "of": aim.count,
            "chart": is_chart,
            "messages": messages,
            "units": units,
            **({"seen": {**seen, "looks": {key: real["looks"][key] for key in sorted(used)}}} if seen else {}),
        }

    def write_tensor(self, name: str, tensor: dict[str, Any]) -> None:
        """Write the data of a tensor's page."""
        link = self._links[name]
        self.write(f"data/{link}.js", (script_data(tensor, link) + "\n").encode("ascii"))

    def due(self) -> bool:
        """Tell whether the first page should be written again."""
        return time.monotonic() - self._written >= _REFRESH

    def write_page(self, page: Page, single: bool = False) -> None:
        """Write the first page and what its script must know; with `single` all of the report in one file as well."""
        self.write("data/report.js", (script_data(page.index, "report") + "\n").encode("ascii"))
        self.write("index.html", page.html().encode("utf-8"))
        if single:
            self.write("report.html", page.single_file(self.read).encode("utf-8"))
        self._written = time.monotonic()

    def write_seconds(self, versions: Mapping[str, str]) -> None:
        """Write how long everything took: apart from the content, which is the same however fast it was made."""
        jobs = self.seconds["jobs"].values()
        told = {
            "units": sum(job["units"] for job in jobs),
            "searching": round(sum(job["seconds"] for job in jobs), 1),
            "sections": self.seconds["sections"],
            "tensors": self._seconds_of_tensors(),
            "versions": dict(versions),
        }
        self.write(_SECONDS, (json_text(self.seconds) + "\n").encode("ascii"))
        self.write("data/seconds.js", (script_data(told, "seconds") + "\n").encode("ascii"))

    def _seconds_of_tensors(self) -> list[dict[str, Any]]:
        """Return for each tensor how many units were searched, and in how many seconds."""
        rows: dict[str, dict[str, Any]] = {}
        for job in self.seconds["jobs"].values():
            row = rows.setdefault(job["tensor"], {"name": job["tensor"], "units": 0, "seconds": 0.0})
            row["units"] += job["units"]
            row["seconds"] = round(row["seconds"] + job["seconds"], 3)
        return list(rows.values())

    def place(self, name: str) -> Path:
        """Return where a file stands that is no part of the page."""
        return self._folder.file(name)

    def document(self, place: str) -> Any:
        """Return a JSON document of the report; None where it is not there yet."""
        return read_json(self._folder.file(place)) if self._folder.done(place) else None

    def data_place(self, tensor: str) -> str:
        """Return where that stands which the samples of the data tell of a tensor."""
        return f"samples/{self._links[tensor]}.json"

    def keep_only(self, folder: str, places: Collection[str]) -> None:
        """Delete what else a folder of the report holds."""
        for file in self._folder.file(f"{folder}/any").parent.iterdir():
            if f"{folder}/{file.name}" not in places:
                file.unlink()

    def read(self, place: str) -> bytes:
        """Return the bytes of a file of the report."""
        return self._folder.file(place).read_bytes()

    def write(self, place: str, content: bytes) -> None:
        """Write a file of the report in one step."""
        with atomic_file(self._folder.file(place)) as file:
            file.write(content)


class LazyTensors(Mapping[str, dict[str, Any]]):
    """What the pages of all tensors show, each read from the folder when it is asked for.

    Parameters
    ----------
    look : mapping of str to callable
        From a name in links to what returns that tensor's data.
    """

    def __init__(self, look: Mapping[str, Callable[[], dict[str, Any]]]) -> None:
        self._look = look

    def __getitem__(self, key: str) -> dict[str, Any]:
        return self._look[key]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._look)

    def __len__(self) -> int:
        return len(self._look)


def overview(tensor: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the first page shows of a tensor: a few of its units, evenly chosen."""
    units = tensor["units"]
    count = min(THUMBNAILS, len(units))
    chosen = [units[place * len(units) // count] for place in range(count)]
    kept = ("name", "link", "operator", "shape", "output", "wanted", "of", "chart", "messages")
    return {
        **{key: tensor[key] for key in kept},
        "done": len(units),
        "units": [
            {
                **{key: unit[key] for key in ("unit", "target", "label", "shown", "verdict")},
                "panel": unit["panels"][0],
                "best": best_of(unit, tensor["seen"]["looks"]) if "seen" in tensor else [],
            }
            for unit in chosen
        ],
    }
