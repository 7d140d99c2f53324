"""How a person names samples: a file or folder, a member of an archive, and rows."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SampleAddress:
    """A place of samples, as it is typed: ``FILE``, ``FILE#7``, ``FILE#3:9``, ``FILE.npz[member]`` or ``FILE.npz::member``.

    Attributes
    ----------
    path : Path
        The file or folder.
    member : str or None
        The member of an archive.
    rows : slice or None
        The rows that are picked; one row where a single number is given.
    """

    path: Path
    member: str | None = None
    rows: slice | None = None

    @classmethod
    def parse(cls, text: str | os.PathLike[str]) -> SampleAddress:
        """Read an address. A file that bears the whole text as its name is that file.

        Examples
        --------
        >>> address = SampleAddress.parse("rows.npz[x]#3:9")
        >>> address.member, address.rows
        ('x', slice(3, 9, None))
        >>> SampleAddress.parse("rows.npz::x").member
        'x'
        """
        written = os.fspath(text)
        if _exists(written):
            return cls(Path(written))
        rows = None
        found = re.fullmatch(r"(.+)#(\d+)(?::(\d+))?", written, re.DOTALL)
        if found is not None:
            written, first = found[1], int(found[2])
            rows = slice(first, int(found[3]) if found[3] else first + 1)
        member = re.fullmatch(r"(.+\.npz)(?:\[(.+)\]|::(.+))", written, re.IGNORECASE | re.DOTALL)
        if member is None or _exists(written):
            return cls(Path(written), None, rows)
        return cls(Path(member[1]), member[2] or member[3], rows)

    @property
    def exists(self) -> bool:
        """Whether there is such a file or folder."""
        return _exists(str(self.path))

    @property
    def source(self) -> str:
        """The file and its member as they are typed, without rows."""
        return str(self.path) if self.member is None else f"{self.path}[{self.member}]"

    def moved(self, path: Path) -> str:
        """Return the address of the same samples of a file that lies elsewhere, as it is typed."""
        member = "" if self.member is None else f"[{self.member}]"
        rows = "" if self.rows is None else f"#{self.rows.start}:{self.rows.stop}"
        return f"{path}{member}{rows}"


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # too long for a name, or a character that no name has
        return False
