"""The report as a web page: Jinja2 templates for the sections, and scripts that only hold data.

Names come from the model's file, which anybody may have written. So templates escape all values, and scripts hold JSON
without the character "<". A Content-Security-Policy allows the page its own folder and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from onnxviz.formats.json_documents import json_text
from onnxviz.wording import number_text, printable

_TEMPLATES = Path(__file__).with_name("templates")
_STYLE, _SCRIPTS = "report.css", ("examples.js", "report.js")
_LISTED = 60
"""The number of tensors in the list at the side. The script lists as many, so that nothing moves when it starts."""
_TYPES = {".png": "image/png", ".jpg": "image/jpeg"}


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes
    ----------
    anchor : str
        One word, the end of the section's address.
    title : str
        The heading.
    template : str
        The name of the template in the folder ``templates``, without the suffix.
    content : mapping
        The values for the template.
    message : str
        A note above the content, or the reason why there is no content; "" without a note.
    """

    anchor: str
    title: str
    template: str
    content: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""


@dataclass(frozen=True)
class Page:
    """The page of a report.

    Attributes
    ----------
    title : str
        The model's name.
    sections : tuple of Section
        The sections, in order.
    index : dict
        The data that the page's script needs at the start: the title, the command, and an entry for every tensor.
    tensors : mapping of str to dict
        The content of each tensor's page, by the tensor's name in links. The mapping may be lazy.
    language : str
        The language of the page.
    """

    title: str
    sections: tuple[Section, ...]
    index: dict[str, Any]
    tensors: Mapping[str, dict[str, Any]]
    language: str = "en"

    @property
    def listed(self) -> list[dict[str, Any]]:
        """The tensors in the list at the side: the first ones with units, as in the script."""
        return [one for one in self.index["tensors"] if one["shown"]][:_LISTED]

    def html(self) -> str:
        """Return ``index.html``, for a folder with `assets`, ``data`` and the pictures."""
        policy = (
            "default-src 'none'; img-src 'self' file: data:; style-src 'self' file:; script-src 'self' file:; "
            "base-uri 'none'; form-action 'none'"
        )
        return self._filled(policy, single=False, picture=_as_it_is)

    def single_file(self, picture: Callable[[str], bytes]) -> str:
        """Return the whole report as one HTML file.

        Parameters
        ----------
        picture : callable
            Takes the place of a picture in the folder; returns its bytes, PNG or JPEG.
        """
        style, scripts = _asset(_STYLE), [_asset(name) for name in _SCRIPTS]
        tensors = dict(self.tensors)
        # The script finds the pictures of the overview in the HTML.
        standing = _pictures_of_overview(self.sections)
        kept = {place: _data_uri(place, picture) for place in _pictures(tensors) if place not in standing}
        # The index comes last: when it arrives, the page shows the content of its address.
        data = [script_data(kept, "pictures"), *(script_data(one, key) for key, one in tensors.items())]
        data.append(script_data(self.index, "report"))
        allowed = " ".join(f"'sha256-{_digest(text)}'" for text in (*scripts, *data))
        policy = (
            f"default-src 'none'; img-src data:; style-src 'sha256-{_digest(style)}'; script-src {allowed}; "
            "base-uri 'none'; form-action 'none'"
        )
        return self._filled(
            policy,
            single=True,
            picture=lambda place: _data_uri(place, picture),
            style=style,
            scripts=scripts,
            data=data,
        )

    def _filled(self, policy: str, *, single: bool, picture: Callable[[str], str], **inline: Any) -> str:
        template = _environment().get_template("page.html.jinja")
        text: str = template.render(
            page=self,
            policy=policy,
            single=single,
            picture=picture,
            **{"style": "", "scripts": [], "data": [], **inline},
        )
        return text


def script_data(value: Any, key: str) -> str:
    r"""Return a script that passes a value to the page under a key, and does nothing else.

    Examples
    --------
    >>> script_data({"name": "</script>"}, "report")
    'onnxvizReport("report",{"name": "\\u003c/script\\u003e"});'
    """
    text = ",".join(json_text(part, None) for part in (key, value))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return f"onnxvizReport({text});"


def assets() -> dict[str, bytes]:
    """Return the files of the folder ``assets``, the same for every report."""
    return {name: _asset(name).encode("utf-8") for name in (_STYLE, *_SCRIPTS)}


@cache
def _asset(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _as_it_is(place: str) -> str:
    return place


def _data_uri(place: str, picture: Callable[[str], bytes]) -> str:
    kind = _TYPES[Path(place).suffix]
    return f"data:{kind};base64,{base64.b64encode(picture(place)).decode('ascii')}"


def _pictures(tensors: Mapping[str, dict[str, Any]]) -> list[str]:
    """Return the places of all pictures on the pages of tensors, each once."""
    places = []
    for tensor in tensors.values():
        places += [panel["file"] for unit in tensor["units"] for panel in unit["panels"]]
        places += [look["file"] for look in tensor.get("seen", {}).get("looks", {}).values() if "file" in look]
    return list(dict.fromkeys(places))


def _pictures_of_overview(sections: Sequence[Section]) -> set[str]:
    """Return the places of all pictures of units in the overview."""
    return {
        unit["panel"]["file"]
        for section in sections
        if section.template == "units"
        for tensor in section.content["tensors"]
        if tensor["done"] or tensor["messages"]
        for unit in tensor["units"]
    }


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


@cache
def _environment() -> Any:
    import jinja2

    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["number"] = _number
    found.filters["shape"] = _shape
    return found


def _number(value: float | str | None, digits: int = 4) -> str:
    if isinstance(value, str):
        return printable(value)
    return "–" if value is None else number_text(value, digits)


def _shape(sizes: Sequence[Any] | None) -> str:
    if sizes is None:
        return "unknown"
    return " × ".join("?" if size is None else str(size) for size in sizes) or "scalar"
