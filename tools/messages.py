"""Keeps the English of every page complete: finds each Vietnamese string, and its translation beside the module.

    python tools/messages.py              say what lacks an English entry, as lines to fill in (exit code 1)
    python tools/messages.py --compile    turn every django.po into the django.mo that Django reads

Vietnamese is the msgid. A string is found in Python (`gettext` and its kin) and in templates (`{% translate %}`,
`{% blocktranslate %}`, `_("…")`), and may be translated in the django.po of any module.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

SOURCE = Path(__file__).resolve().parents[1] / "src" / "tuetinh"
LANGUAGE = "en"
KEYWORDS: dict[str, tuple[object, ...] | None] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
}
PLACEHOLDER = re.compile(r"%\([a-z_]+\)[sd]|%[sd]|\{[a-z_]*\}", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class Text:
    """One string of the pages. plural: "" where there is none."""

    msgid: str
    context: str = ""
    plural: str = ""


def main() -> int:
    """Compile, or check and say what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compile", action="store_true", help="only write the .mo files that are older than their .po")
    if parser.parse_args().compile:
        compile_all()
        return 0
    faults = check()
    for fault in faults:
        print(fault)
    if faults:
        print(f"\n{len(faults)} strings need an English entry in locale/en/LC_MESSAGES/django.po of their module")
    return 1 if faults else 0


def compile_all() -> list[Path]:
    """Write every .mo that is missing or older than its .po; returns those written."""
    written = []
    for po in _catalogues():
        mo = po.with_suffix(".mo")
        if mo.exists() and mo.stat().st_mtime_ns >= po.stat().st_mtime_ns:
            continue
        fresh = mo.with_suffix(f".mo.{os.getpid()}")
        with fresh.open("wb") as out:
            write_mo(out, _read(po))
        fresh.replace(mo)
        written.append(mo)
    return written


def check() -> list[str]:
    """Name every string without an English entry, and every entry that is fuzzy, empty or lost a placeholder."""
    known: dict[tuple[str, str], Message] = {}
    faults = []
    for po in _catalogues():
        for message in _read(po):
            msgid = message.id if isinstance(message.id, str) else message.id[0]
            if not msgid:
                continue
            known[msgid, message.context or ""] = message
            if fault := _fault(message):
                faults.append(f"# {po.relative_to(SOURCE)}: {fault}\nmsgid {_quoted(msgid)}\n")
    for text, places in sorted(found().items()):
        message = known.get((text.msgid, text.context))
        if message is None or (text.plural and isinstance(message.id, str)):
            faults.append(_entry(text, places))
    return faults


@cache
def found() -> dict[Text, list[str]]:
    """Every string of the pages with the places where it stands."""
    texts: dict[Text, list[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        if not {"tests", "migrations", "r4"} & set(path.relative_to(SOURCE).parts):
            for text, line in _in_python(path):
                texts.setdefault(text, []).append(f"{path.relative_to(SOURCE)}:{line}")
    _start_django()
    for path in sorted(SOURCE.rglob("templates/**/*.html")):
        for text in _in_template(path):
            texts.setdefault(text, []).append(str(path.relative_to(SOURCE)))
    return texts


def _in_python(path: Path) -> Iterator[tuple[Text, int]]:
    with path.open("rb") as file:
        for line, message, _comments, context in extract("python", file, KEYWORDS, options={"encoding": "utf-8"}):
            msgid, plural = (message, "") if isinstance(message, str) else (message[0], message[1])
            yield Text(msgid, context or "", plural), line


def _in_template(path: Path) -> Iterator[Text]:
    """Parse a template as Django does, and ask its nodes."""
    from django.template import Template
    from django.templatetags.i18n import BlockTranslateNode, TranslateNode

    source = path.read_text(encoding="utf-8")
    nodes = Template(source).nodelist
    for node in nodes.get_nodes_by_type(TranslateNode):
        literal = node.filter_expression.var.literal
        if isinstance(literal, str):
            yield Text(literal.replace("%", "%%"), _constant(node.message_context))
    for node in nodes.get_nodes_by_type(BlockTranslateNode):
        singular, _names = node.render_token_list(node.singular)
        plural = node.render_token_list(node.plural)[0] if node.plural else ""
        if node.trimmed:
            singular, plural = (" ".join(part.split()) for part in (singular, plural))
        yield Text(singular, _constant(node.message_context), plural)
    for match in re.finditer(r"\b_\(\s*(\"[^\"]*\"|'[^']*')\s*\)", source):
        yield Text(ast.literal_eval(match[1]).replace("%", "%%"))


def _constant(expression: object) -> str:
    """The context of a node when it has one."""
    return "" if expression is None else str(expression.resolve({}))  # type: ignore[attr-defined]


def _fault(message: Message) -> str:
    """What is wrong with an entry, or ""."""
    ids = [message.id] if isinstance(message.id, str) else list(message.id)
    strings = [message.string] if isinstance(message.string, str) else list(message.string)
    if message.fuzzy:
        return "fuzzy"
    if not all(strings):
        return "empty"
    named = {name for text in ids for name in PLACEHOLDER.findall(text)}
    if any(set(PLACEHOLDER.findall(text)) - named for text in strings):
        return "names a placeholder that the Vietnamese does not have"
    if named - {name for text in strings for name in PLACEHOLDER.findall(text)}:
        return "lost a placeholder"
    return ""


def _entry(text: Text, places: list[str]) -> str:
    """An entry to fill in, as it stands in a .po file."""
    lines = [f"#: {place}" for place in places[:3]]
    lines += [f"msgctxt {_quoted(text.context)}"] if text.context else []
    lines.append(f"msgid {_quoted(text.msgid)}")
    lines += [f"msgid_plural {_quoted(text.plural)}", 'msgstr[0] ""', 'msgstr[1] ""'] if text.plural else ['msgstr ""']
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _catalogues() -> list[Path]:
    return sorted(SOURCE.glob(f"*/*/locale/{LANGUAGE}/LC_MESSAGES/django.po")) + sorted(
        SOURCE.glob(f"*/locale/{LANGUAGE}/LC_MESSAGES/django.po")
    )


def _read(po: Path) -> Catalog:
    with po.open("rb") as file:
        return read_po(file, locale=LANGUAGE, abort_invalid=True)


def _start_django() -> None:
    """Load the template tags; no database is touched, and the keys of a running node neither."""
    import django
    from django.conf import settings

    if not settings.configured:
        os.environ.setdefault("TUETINH_DATA", tempfile.mkdtemp(prefix="tuetinh-messages-"))
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tuetinh.node.settings")
        django.setup()


if __name__ == "__main__":
    sys.exit(main())
