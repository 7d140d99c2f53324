"""Print the N-th shell block under the README's "Two commands": ``python .ci/readme_commands.py README.md 2``."""

from __future__ import annotations

import re
import sys
from pathlib import Path


def block(text: str, number: int) -> str:
    """Return the commands of a block, 1 or 2."""
    section = text.split("## Two commands", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"```(?:sh|bash|console)\n(.*?)```", section, flags=re.DOTALL)[number - 1].strip()


if __name__ == "__main__":
    print(block(Path(sys.argv[1]).read_text(encoding="utf-8"), int(sys.argv[2])))
