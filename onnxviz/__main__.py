"""``python -m onnxviz``: the command line."""

from __future__ import annotations

from onnxviz.cli import main

if __name__ == "__main__":
    main()
