"""`{torch-names}`: which of PyTorch's names are here, counted when the site is built.

PyTorch's side is a list beside this file, of one release; `python torch_names.py` writes it anew
from the PyTorch that is installed. Our side is what is imported. So the page cannot grow stale.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import types
from pathlib import Path
from typing import Any

LIST = Path(__file__).with_name("torch_names.json")
# PyTorch's name space and ours.
PAIRS = {
    "torch": "pyautograd",
    "torch.Tensor": "pyautograd.Tensor",
    "torch.nn": "pyautograd.nn",
    "torch.nn.functional": "pyautograd.nn.functional",
    "torch.nn.init": "pyautograd.nn.init",
    "torch.nn.utils": "pyautograd.nn.utils",
    "torch.optim": "pyautograd.optim",
    "torch.optim.lr_scheduler": "pyautograd.optim.lr_scheduler",
    "torch.autograd": "pyautograd.autograd",
    "torch.autograd.functional": "pyautograd.autograd.functional",
    "torch.func": "pyautograd.func",
    "torch.linalg": "pyautograd.linalg",
    "torch.utils.data": "pyautograd.utils.data",
}
# Parts of PyTorch's own machinery that stand among its public functions.
INTERNAL = re.compile(
    r"cudnn|miopen|mkldnn|fbgemm|fused_moving|fake_quant|quant|^q_|^sym_|^hsp|hspmm|vulkan|onednn"
    r"|_copy$|_compat|^wait$|^fork$|^import_ir|^parse_|^unify|^get_device|^merge_type|^typename$"
    r"|^native_|^prepare_multiprocessing|^set_vital|^read_vitals|^autocast_|_autocast|^is_vulkan"
    r"|^Any$|^Callable$|^Optional$|^Union$|^TYPE_CHECKING$|^TypeVar$|^overload$|^cast$|^deprecated$"
    r"|^(Dict|List|Tuple|Set|Sequence|Iterable|Iterator|Mapping|Number|NamedTuple|ParamSpec)$"
    r"|handle_torch_function|has_torch_function|batch_norm_(backward|elemt|gather|stats|update)"
    r"|^(assert_int_or_pair|boolean_dispatch|factory_kwargs|compiled_with|classproperty)"
    r"|^(profiler_allow|init_num_threads|get_file_path|thread_safe_generator|debug_unwrap)"
)


def resolve(path: str) -> Any:
    """A module, or a class in one."""
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        parent, _, name = path.rpartition(".")
        return getattr(importlib.import_module(parent), name)


def names(path: str) -> list[str]:
    """The public functions and classes there (of `torch` itself: functions alone)."""
    space = resolve(path)
    found = []
    listed = getattr(space, "__all__", None) if path != "torch" else None
    for name in sorted(listed or dir(space)):
        value = getattr(space, name, None)
        if name.startswith("_") or INTERNAL.search(name) or isinstance(value, types.ModuleType):
            continue
        if inspect.isclass(space) or (callable(value) and is_own(path, value)):
            found.append(name)
    return found


def is_own(path: str, value: Any) -> bool:
    """Not a class of `torch` itself, nor what a module has imported from elsewhere."""
    if path == "torch" and inspect.isclass(value):
        return False
    module = getattr(value, "__module__", None) or "torch"
    return module.startswith("torch")


def ours(path: str) -> set[str]:
    space = resolve(path)
    return {*dir(space), *getattr(space, "_LAZY", ())}


def compare(listed: dict[str, list[str]]) -> list[tuple[str, list[str], list[str]]]:
    """(PyTorch's name space, what is here, what is missing), for each."""
    rows = []
    for path, here in PAIRS.items():
        have = ours(here)
        rows.append(
            (
                path,
                [name for name in listed[path] if name in have],
                [name for name in listed[path] if name not in have],
            )
        )
    return rows


def load() -> dict[str, Any]:
    return json.loads(LIST.read_text(encoding="utf-8"))


def current() -> dict[str, Any]:
    """The list, of the PyTorch that is installed."""
    import torch

    spaces = {path: names(path) for path in PAIRS}
    return {"version": torch.__version__.partition("+")[0], "names": spaces}


def setup(app: Any) -> dict[str, Any]:
    from docutils import nodes
    from docutils.statemachine import StringList
    from sphinx.util.docutils import SphinxDirective
    from sphinx.util.parsing import nested_parse_to_nodes

    def code(found: list[str]) -> str:
        return " ".join(f"`{name}`" for name in found)

    class TorchNames(SphinxDirective):
        def run(self) -> list[nodes.Node]:
            listed = load()
            rows = compare(listed["names"])
            lines = [
                f"| name space, PyTorch {listed['version']} | its names | here | missing |",
                "| --- | --: | --: | --: |",
                *[
                    f"| `{path}` | {len(have) + len(lack)} | {len(have)} | {len(lack)} |"
                    for path, have, lack in rows
                ],
                "",
            ]
            for path, have, lack in rows:
                lines += [f":::{{admonition}} {path}", ":class: note", ":collapsible: closed", ""]
                lines += [f"**Here:** {code(have)}", ""]
                lines += [
                    f"**Missing:** {code(lack)}" if lack else "Nothing is missing.",
                    ":::",
                    "",
                ]
            return nested_parse_to_nodes(self.state, StringList(lines, "torch names"))

    app.add_directive("torch-names", TorchNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    LIST.write_text(json.dumps(current(), indent=0) + "\n", encoding="utf-8")
