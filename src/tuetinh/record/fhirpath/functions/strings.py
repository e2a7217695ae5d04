"""String functions (FHIRPath N1, 5.6, and what the ballot of 3.0 adds)."""

from __future__ import annotations

import base64
import binascii
import html
import json
from functools import lru_cache
from typing import Any

import re2

from tuetinh.record.fhirpath.context import Context
from tuetinh.record.fhirpath.errors import EvaluationError, LimitError
from tuetinh.record.fhirpath.nodes import system
from tuetinh.record.fhirpath.registry import Items, collection, scalar, value_of

_LONGEST_PATTERN = 2000
# Characters that may be made before the text is found to be too long.
_MOST_WORK = 20_000_000
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.dot_nl = True
_OPTIONS.max_mem = 8 << 20


@lru_cache(maxsize=512)
def _pattern(text: str) -> Any:
    """By RE2: its time grows with the text only, whatever the pattern."""
    if len(text) > _LONGEST_PATTERN:
        raise LimitError(f"a pattern is longer than {_LONGEST_PATTERN} characters")
    try:
        return re2.compile(text, _OPTIONS)
    except re2.error as error:
        raise EvaluationError(f"{text[:80]!r} is no regular expression: {error}") from None


@scalar("matches", str, str)
def _matches(text: str, pattern: str) -> bool:
    return _pattern(pattern).search(text) is not None


@scalar("matchesFull", str, str)
def _matches_full(text: str, pattern: str) -> bool:
    return _pattern(pattern).fullmatch(text) is not None


@scalar("replaceMatches", str, str, str)
def _replace_matches(text: str, pattern: str, by: str) -> str:
    # Groups are written $1 in FHIRPath, \1 in RE2.
    written = by.replace("\\", "\\\\")
    if "$" in written:
        written = re2.sub(r"\$(\d)", r"\\\1", written)
    if (len(text) + 1) * len(written) > _MOST_WORK:
        raise LimitError("replaceMatches() makes too long a text")
    try:
        return str(_pattern(pattern).sub(written, text)) if pattern else text
    except (re2.error, IndexError) as error:
        raise EvaluationError(f"{by[:80]!r} is no replacement: {error}") from None


@scalar("indexOf", str, str)
def _index_of(text: str, part: str) -> int:
    return text.find(part)


@scalar("lastIndexOf", str, str)
def _last_index_of(text: str, part: str) -> int:
    return text.rfind(part)


@scalar("substring", str, int, int, optional=1)
def _substring(text: str, start: int, length: int | None = None) -> str | None:
    if not 0 <= start < len(text):
        return None
    return text[start:] if length is None else text[start : start + max(length, 0)]


@scalar("startsWith", str, str)
def _starts_with(text: str, part: str) -> bool:
    return text.startswith(part)


@scalar("endsWith", str, str)
def _ends_with(text: str, part: str) -> bool:
    return text.endswith(part)


@scalar("contains", str, str)
def _contains(text: str, part: str) -> bool:
    return part in text


@scalar("upper", str)
def _upper(text: str) -> str:
    return text.upper()


@scalar("lower", str)
def _lower(text: str) -> str:
    return text.lower()


@scalar("replace", str, str, str)
def _replace(text: str, part: str, by: str) -> str:
    # An empty part stands before every character: by the specification 'abc' becomes 'xaxbxcx'.
    if (text.count(part) + 1) * len(by) + len(text) > _MOST_WORK:
        raise LimitError("replace() makes too long a text")
    return text.replace(part, by)


@scalar("length", str)
def _length(text: str) -> int:
    return len(text)


@collection("toChars")
def _to_chars(context: Context, items: Items) -> Items:
    text = value_of(items, str, "toChars()") or ""
    context.spend(len(text))
    return list(text)


@scalar("trim", str)
def _trim(text: str) -> str:
    return text.strip()


@collection("split", 1)
def _split(context: Context, items: Items, separator: Items) -> Items:
    text, mark = value_of(items, str, "split()"), value_of(separator, str, "split()")
    if text is None or mark is None:
        return []
    found = list(text) if mark == "" else text.split(mark)
    context.spend(len(found))
    return found


@collection("join", 0, 1)
def _join(context: Context, items: Items, separator: Items | None = None) -> Items:
    mark = "" if separator is None else value_of(separator, str, "join()") or ""
    texts = [system(item) for item in items]
    if any(not isinstance(text, str) for text in texts):
        raise EvaluationError("join() takes Strings")
    if sum(len(text) + len(mark) for text in texts) > _MOST_WORK:
        raise LimitError("join() makes too long a text")
    return [mark.join(texts)]


@scalar("encode", str, str)
def _encode(text: str, form: str) -> str | None:
    data = text.encode()
    match form:
        case "hex":
            return data.hex()
        case "base64":
            return base64.b64encode(data).decode()
        case "urlbase64":
            return base64.urlsafe_b64encode(data).decode()
    return None


@scalar("decode", str, str)
def _decode(text: str, form: str) -> str | None:
    try:
        match form:
            case "hex":
                return bytes.fromhex(text).decode()
            case "base64":
                return base64.b64decode(text, validate=True).decode()
            case "urlbase64":
                return base64.b64decode(text, altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        raise EvaluationError(f"decode() finds no {form} in the text") from None
    return None


@scalar("escape", str, str)
def _escape(text: str, form: str) -> str | None:
    match form:
        case "html":
            return html.escape(text).replace("&#x27;", "&#39;")
        case "json":
            return json.dumps(text, ensure_ascii=False)[1:-1]
    return None


@scalar("unescape", str, str)
def _unescape(text: str, form: str) -> str | None:
    match form:
        case "html":
            return html.unescape(text)
        case "json":
            try:
                return str(json.loads(f'"{text}"', strict=False))
            except ValueError:
                # The text was not escaped: it stands for itself.
                return text
    return None
