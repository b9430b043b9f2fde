"""Docstrings as autodoc wants them: ours are plain text with `code` in backticks, not RST."""

from __future__ import annotations

import re
from typing import Any

CODE = re.compile(r"(`+)(.+?)\1", re.DOTALL)
MARKUP = re.compile(r"([\\*|_])")
ITEM = re.compile(r"(- |\d+\. )")
FIELD = re.compile(r"[\w*]+(, [\w*]+)*: ")


def prose(text: str) -> str:
    """Text with its backticks doubled, and whatever else would be markup escaped."""
    out, end = [], 0
    for code in CODE.finditer(text):
        out += [MARKUP.sub(r"\\\1", text[end : code.start()]), f"``{code[2].strip()}``"]
        after = text[code.end() : code.end() + 1]
        out.append("\\ " if after.isalnum() else "")
        end = code.end()
    return "".join([*out, MARKUP.sub(r"\\\1", text[end:])])


def paragraphs(lines: list[str]) -> list[list[str]]:
    text = "\n".join(lines).strip("\n")
    return [part.split("\n") for part in re.split(r"\n\s*\n", text)] if text else []


def split_lead(lines: list[str]) -> list[list[str]]:
    """A formula or an example that follows its sentence without an empty line gets one."""
    for i, line in enumerate(lines):
        if i and line.startswith(">>>") and not lines[i - 1].startswith((">>>", "...")):
            before = lines[:i]
            if not any(x.startswith(">>>") for x in before):
                return [before, lines[i:]]
    return [lines]


def as_list(lines: list[str], start: re.Pattern[str], mark: bool) -> list[str]:
    """Items as a list: each begins with `start`, its other lines are indented."""
    out: list[str] = []
    for line in lines:
        if start.match(line):
            out.append(f"- {prose(line)}" if mark else prose(line))
        else:
            out.append(f"  {prose(line.strip())}")
    return out


def convert(lines: list[str]) -> list[str]:
    out: list[str] = []
    for whole in paragraphs(lines):
        for part in split_lead(whole):
            first = part[0]
            indented = [line for line in part if line.startswith(" ")]
            if first.startswith(">>>"):
                out += part
            elif ITEM.match(first):
                out += as_list(part, ITEM, mark=False)
            elif FIELD.match(first) and indented and not first.startswith(" "):
                out += as_list(part, FIELD, mark=True)
            elif indented:
                out += ["::", "", *[f"    {line}" for line in part]]
            else:
                out += prose("\n".join(part)).split("\n")
            out.append("")
    return out


def rewrite(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = convert(lines)


def setup(app: Any) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", rewrite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
