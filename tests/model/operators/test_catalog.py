"""The catalog is read without torch, and agrees with the registry."""

from __future__ import annotations

import subprocess
import sys

from onnx import NodeProto

from onnxviz.model.operators.declaration import declarations
from onnxviz.model.tensors.support import support


def test_the_catalog_tells_what_is_declared() -> None:
    wrong = []
    for declaration in declarations():
        node = NodeProto(op_type=declaration.operator, domain=declaration.domain)
        for version in {declaration.since, declaration.until or declaration.since}:
            found = support(node, version)
            if (found.converted, found.gradient) != (True, declaration.gradient.value):
                wrong.append(f"{declaration.domain}.{declaration.operator}-{version}: {found}, not {declaration}")
    assert wrong == []


def test_reading_the_catalog_does_not_import_torch() -> None:
    program = (
        "import sys; from onnx import NodeProto; from onnxviz.model.tensors.support import support; "
        "assert support(NodeProto(op_type='Relu'), 17).converted; sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
