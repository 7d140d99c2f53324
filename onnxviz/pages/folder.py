"""The folder of a report: results by address, pictures, data of each tensor, and the page.

The folder opens in a browser at any time. A picture is written before the result that names it, and a result before the data
that show it. Every file gets its name in one step. Durations have files of their own: the content of all others is the same
on a slow machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onnxviz.formats.atomic_file import atomic_file
from onnxviz.formats.json_documents import json_text, read_json
from onnxviz.formats.result_store import ResultStore
from onnxviz.pages.command_lines import flagged
from onnxviz.pages.pace import Pace
from onnxviz.pages.page import Page, assets, script_data
from onnxviz.pages.plan import Aim, Job
from onnxviz.pages.unit_page import best_of, examples_of, unit_entry

if TYPE_CHECKING:
    from onnxviz.drawing.pictures import Picture
    from onnxviz.formats.output_folder import OutputFolder
    from onnxviz.pages.unit_search import Searched

THUMBNAILS = 8
"""The number of units of each tensor on the first page."""

_REFRESH = 5.0
"""The least time between two writings of the first page while jobs run, in seconds."""

_SECONDS = "seconds.json"


class ReportFolder:
    """The results and files of a report.

    Parameters
    ----------
    folder : OutputFolder
        The folder, open.
    digest : str
        SHA-256 of the model.
    settings : mapping
        The settings that every result depends on, besides the model and the target.
    links : mapping of str to str
        The name of each tensor in links and files.
    command : sequence of str
        The command that repeats the search of one unit, without the target.
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
        self._searched = settings
        self._cut = False
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
        """Add tensors and a call to the plan, and return the plan.

        The plan has the number of units of each tensor ("tensors"), and the calls that added them ("calls"). Tensors of earlier
        calls stay, with their units. A plan that was cut to the time says how ("cut"), so that later calls do the same.
        """
        document: dict[str, Any] = {"tensors": {}, "calls": []}
        if self._folder.done("plan.json"):
            document = read_json(self._folder.partial / "plan.json")
        for name, units in tensors.items():
            document["tensors"][name] = max(units, document["tensors"].get(name, 0))
        if document.get("cut") is not None:
            self._cut = True
            self._searched = _with_steps(self._settings, document["cut"]["steps"])
        if call not in document["calls"]:
            document["calls"].append(call)
        self.write("plan.json", (json_text(document) + "\n").encode("ascii"))
        return document

    @property
    def begun(self) -> bool:
        """Whether the search was cut to the time already, or has a result."""
        return self._cut or self.searched

    @property
    def searched(self) -> bool:
        """Whether some units were searched already."""
        return bool(self.seconds["jobs"])

    @property
    def pace(self) -> Pace | None:
        """The measured pace of the search; None if no step was timed yet."""
        kept = self.seconds.get("pace")
        return None if kept is None else Pace(**kept)

    def keep_pace(self, pace: Pace | None) -> None:
        """Keep the measured pace of the search with the durations."""
        if pace is not None:
            self.seconds["pace"] = pace.row()

    def cut(self, steps: int | None, alone: bool) -> None:
        """Note in the plan that the search is cut to the time. It is cut once, before the first result.

        Parameters
        ----------
        steps : int or None
            The number of steps; None for the number in the settings.
        alone : bool
            Whether the first unit of each tensor has a job of its own.
        """
        document = {**read_json(self._folder.partial / "plan.json"), "cut": {"steps": steps, "alone": alone}}
        self.write("plan.json", (json_text(document) + "\n").encode("ascii"))
        self._cut = True
        self._searched = _with_steps(self._settings, steps)

    def repeated_by(self, command: Sequence[str]) -> None:
        """Set the command that repeats the search of one unit, without the target."""
        self._command = command

    def keep_picture(self, place: str, picture: Picture) -> dict[str, Any]:
        """Write a picture as PNG; return its place and size."""
        from onnxviz.drawing.pictures import save_picture

        save_picture(self._folder.file(place), picture)
        return {"file": place, "width": picture.shape[1], "height": picture.shape[0]}

    def once(self, name: str, compute: Callable[[], Any], told: str = "") -> Any:
        """Return the kept result of a name; if there is none, compute it and keep it.

        The result must depend on its name, the model and the settings alone.

        Parameters
        ----------
        name : str
            The name of the result, unique for the model.
        compute : callable
            Computes the result. Called if there is no kept result.
        told : str
            Name under which the elapsed seconds are added up. Default: `name`.
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
        """Return the result that `once` kept under a name; None if there is none yet."""
        return self._results.get(self.address(name))

    def link(self, tensor: str) -> str:
        """Return a tensor's name in links and files."""
        return self._links[tensor]

    def took(self, name: str, seconds: float) -> None:
        """Add seconds to the duration of a section."""
        self.seconds["sections"][name] = round(self.seconds["sections"].get(name, 0.0) + seconds, 3)

    def address(self, name: str) -> str:
        """Return the address of a result that belongs to the whole model."""
        import hashlib

        identity = json_text({"model": self._digest, "section": name, "settings": dict(self._settings)}, None)
        return hashlib.sha256(identity.encode("ascii")).hexdigest()

    def done(self, job: Job) -> bool:
        """Return whether a job has a result."""
        return self._results.has(job.key(self._digest, self._searched))

    def keep(self, job: Job, searched: Searched) -> None:
        """Keep the result of a job: first its pictures, then the result that names them."""
        folder = self._links[job.aim.tensor]
        pictures = [
            self._keep_file(f"units/{folder}/{unit}.png", *picture)
            for unit, picture in zip(job.units, searched.pictures, strict=False)
        ]
        kernels = [
            None if kernel is None else self._keep_file(f"units/{folder}/{unit}_kernel.png", *kernel)
            for unit, kernel in zip(job.units, searched.kernels, strict=False)
        ]
        key = job.key(self._digest, self._searched)
        self._results.put(
            key,
            {
                "targets": job.targets,
                "units": job.units if searched.rows else [],
                "rows": searched.rows,
                "pictures": pictures,
                "kernels": kernels,
                "is_chart": searched.is_chart,
                "message": searched.message,
                "effort": searched.effort,
            },
        )
        if searched.rows:  # a refusal is quick, and says nothing of the time of a search
            self.seconds["jobs"][key] = {
                "tensor": job.aim.tensor,
                "units": len(job.units),
                "seconds": searched.seconds,
            }

    def _keep_file(self, place: str, content: bytes, size: tuple[int, int]) -> dict[str, Any]:
        """Write a picture file; return its place and size."""
        self.write(place, content)
        return {"file": place, "width": size[0], "height": size[1]}

    def tensor(
        self,
        aim: Aim,
        planned: Sequence[Job],
        about: Mapping[str, Any],
        values: Sequence[tuple[str, Sequence[float]]] = (),
    ) -> dict[str, Any]:
        """Return the content of a tensor's page.

        Parameters
        ----------
        aim : Aim
            The tensor.
        planned : sequence of Job
            The jobs of the tensor, with or without a result.
        about : mapping
            The facts of the tensor that need no search.
        values : sequence of (str, sequence of float)
            The values of the tensor's units on sample inputs, with the inputs' names.
        """
        units, messages, refused, is_chart = [], [], 0, False
        effort: dict[str, None] = {}
        real = self.document(self.data_place(aim.tensor)) or {"units": {}}
        for job in planned:
            found = self._results.get(job.key(self._digest, self._searched))
            if found is None:
                continue
            is_chart = is_chart or found["is_chart"]
            if found["message"] and found["message"] not in messages:
                messages.append(found["message"])
            refused += 0 if found["rows"] else len(job.units)
            effort |= dict.fromkeys(found.get("effort", ()))
            kernels = found.get("kernels") or [None] * len(found["units"])
            units += [
                unit_entry(
                    unit,
                    row,
                    picture,
                    kernel,
                    self._command,
                    real["units"].get(str(unit)),
                    [(name, each[unit]) for name, each in values],
                )
                for unit, row, picture, kernel in zip(
                    found["units"], found["rows"], found["pictures"], kernels, strict=True
                )
            ]
        units.sort(key=lambda entry: entry["unit"])
        used = {one["id"] for entry in units if "real" in entry for one in examples_of(entry["real"])}
        seen = {key: real[key] for key in ("data", "samples", "complete", "columns") if key in real}
        return {
            **about,
            "wanted": sum(len(job.units) for job in planned),
            "of": aim.count,
            "chart": is_chart,
            "refused": refused,
            "effort": [flagged(sentence) for sentence in effort],
            "messages": messages,
            "units": units,
            **({"seen": {**seen, "looks": {key: real["looks"][key] for key in sorted(used)}}} if seen else {}),
        }

    def write_tensor(self, name: str, tensor: dict[str, Any]) -> None:
        """Write the content of a tensor's page."""
        link = self._links[name]
        self.write(f"data/{link}.js", (script_data(tensor, link) + "\n").encode("ascii"))

    def due(self) -> bool:
        """Return whether the first page should be written again."""
        return time.monotonic() - self._written >= _REFRESH

    def write_page(self, page: Page, single: bool = False) -> None:
        """Write the first page and the data of its script; with `single`, also the whole report in one file."""
        self.write("data/report.js", (script_data(page.index, "report") + "\n").encode("ascii"))
        self.write("index.html", page.html().encode("utf-8"))
        if single:
            self.write("report.html", page.single_file(self.read).encode("utf-8"))
        self._written = time.monotonic()

    def write_seconds(self, versions: Mapping[str, str]) -> None:
        """Write all durations. They have files of their own, because the other content does not depend on speed."""
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
        """Return the number of searched units of each tensor, and the seconds of their search."""
        rows: dict[str, dict[str, Any]] = {}
        for job in self.seconds["jobs"].values():
            row = rows.setdefault(job["tensor"], {"name": job["tensor"], "units": 0, "seconds": 0.0})
            row["units"] += job["units"]
            row["seconds"] = round(row["seconds"] + job["seconds"], 3)
        return list(rows.values())

    def place(self, name: str) -> Path:
        """Return the path of a file that is no part of the page."""
        return self._folder.file(name)

    def document(self, place: str) -> Any:
        """Return a JSON document of the report; None if it is not written yet."""
        return read_json(self._folder.file(place)) if self._folder.done(place) else None

    def data_place(self, tensor: str) -> str:
        """Return the place of a tensor's samples of the data."""
        return f"samples/{self._links[tensor]}.json"

    def keep_only(self, folder: str, places: Collection[str]) -> None:
        """Delete all files in a folder of the report, except those at the given places."""
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


def _with_steps(settings: Mapping[str, Any], steps: int | None) -> Mapping[str, Any]:
    """Return the settings of a search that is cut to some steps: those of a report that was asked for so many."""
    return settings if steps is None else {**settings, "steps": steps}


class LazyTensors(Mapping[str, dict[str, Any]]):
    """The content of the pages of all tensors, each read from the folder when it is needed.

    Parameters
    ----------
    look : mapping of str to callable
        A function for each tensor's name in links. It returns the content of the tensor's page.
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
    """Return a tensor's entry on the first page, with a few of its units, evenly chosen."""
    units = tensor["units"]
    count = min(THUMBNAILS, len(units))
    chosen = [units[place * len(units) // count] for place in range(count)]
    kept = ("name", "link", "operator", "shape", "output", "wanted", "of", "chart", "refused", "effort", "messages")
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
