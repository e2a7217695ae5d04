"""The xhtml of a narrative (R4 narrative.html, txt-1 and txt-2)."""

from __future__ import annotations

import re
from xml.parsers import expat

XHTML = "http://www.w3.org/1999/xhtml"
# Most narratives that machines write are one plain text: no parser needed.
_PLAIN = re.compile(r'<div xmlns="http://www\.w3\.org/1999/xhtml">[^\s<>&\0-\x1f][^<>&\0-\x08\x0b\x0c\x0e-\x1f]*</div>')

_ELEMENTS = frozenset(
    """
    a abbr acronym b big blockquote br caption cite code col colgroup dd dfn div dl dt em h1 h2 h3 h4 h5 h6 hr i img li
    ol p pre q samp small span strong sub sup table tbody td tfoot th thead tr tt ul var
    """.split()  # noqa: SIM905
)
_ATTRIBUTES = frozenset(
    """
    abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char charoff charset cite
    class colspan compact coords dir frame headers height href hreflang hspace id lang longdesc name nowrap rel rev
    rowspan rules scope shape space span src start style summary tabindex title type valign value vspace width
    """.split()  # noqa: SIM905
)
_LINKS = frozenset(["href", "src", "cite", "longdesc"])
_SCRIPT = re.compile(r"[\s\0-\x1f]*(javascript|vbscript|data:(?!\s*image/))", re.IGNORECASE)


class _Refused(Exception):
    pass


class _Reader:
    """Follows the parser's events; what it sees decides."""

    def __init__(self) -> None:
        self.depth = 0
        self.content = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        if self.depth == 0 and (local != "div" or namespace != XHTML):
            raise _Refused(f"must be a <div> in the namespace {XHTML}")
        if namespace != XHTML or local not in _ELEMENTS:
            raise _Refused(f"must not contain the element <{local}> (txt-1)")
        for key, value in attributes.items():
            attribute = key.rpartition(" ")[2]
            if attribute not in _ATTRIBUTES:
                raise _Refused(f"must not contain the attribute '{attribute}' (txt-1)")
            if attribute in _LINKS and _SCRIPT.match(value):
                raise _Refused(f"must not carry a script in the attribute '{attribute}' (txt-1)")
        self.depth += 1
        self.content = self.content or (local == "img" and "src" in attributes)

    def end(self, _name: str) -> None:
        self.depth -= 1

    def text(self, data: str) -> None:
        self.content = self.content or not data.isspace()

    def doctype(self, *_args: object) -> None:
        raise _Refused("must not contain a document type declaration")

    def instruction(self, *_args: object) -> None:
        raise _Refused("must not contain a processing instruction")


def check(div: str) -> str | None:
    """What is wrong with a narrative's div, or None."""
    if _PLAIN.fullmatch(div):
        return None
    reader = _Reader()
    # Entities cannot be declared (the document type is refused), so nothing expands and nothing is fetched.
    parser = expat.ParserCreate("utf-8", " ")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.ProcessingInstructionHandler = reader.instruction
    try:
        parser.Parse(div.encode("utf-8", "replace"), True)  # noqa: FBT003
    except _Refused as refused:
        return str(refused)
    except expat.ExpatError as error:
        return f"is not well-formed XHTML: {expat.ErrorString(error.code)} (line {error.lineno})"
    return None if reader.content else "must have some non-whitespace content (txt-2)"
