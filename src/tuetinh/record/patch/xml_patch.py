"""XML Patch (RFC 5261), of the XML form of a resource."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

from lxml import etree

from tuetinh.record import formats
from tuetinh.record.errors import BadRequest, Unprocessable
from tuetinh.record.formats.safely import FHIR, XHTML, local, parse
from tuetinh.record.patch import limits

MAX_SELECTOR = 1000
# The selectors of RFC 5261 (3) are location paths; functions and operators that compute are not among them.
_CALL = re.compile(r"([A-Za-z][\w.\-]*)\s*\(")
_CALLS = frozenset({"text", "comment", "node", "processing-instruction", "id", "position", "last"})
_QUOTED = re.compile(r"('[^']*'|\"[^\"]*\")")
_NAME = re.compile(r"(?<![\w:@$.\-])([A-Za-z_][\w.\-]*)(?![\w.\-]*\s*[:(])")
PREFIXES = {"f": FHIR, "h": XHTML}


def apply(body: bytes, patch: bytes) -> bytes:
    """The patched resource, as JSON. Raises BadRequest or Unprocessable, naming the operation."""
    root = parse(formats.write(body))
    return formats.read(etree.tostring(patched(root, parse(patch))))


def patched(root: etree._Element, patch: etree._Element) -> etree._Element:
    """The document after all operations of the patch, which are done one after the other."""
    operations = [node for node in patch if isinstance(node.tag, str)]
    if not operations:
        message = "the patch has no operations"
        raise BadRequest(message)
    limits.check(len(operations), limits.XML)
    tree = etree.Element("document")  # holds the root, so that it can be replaced like any element
    tree.append(root)
    for number, operation in enumerate(operations):
        place = f"operation[{number}]"
        name = local(operation)[1]
        if name not in ("add", "remove", "replace"):
            message = f"there is no operation {name[:40]!r}"
            raise BadRequest(message, place)
        if not len(tree):
            message = "there is no document left"
            raise Unprocessable(message, place)
        target = _select(tree[0], operation, place)
        try:
            {"add": _add, "remove": _remove, "replace": _replace}[name](target, operation, place)
        except (ValueError, TypeError, AttributeError) as error:
            message = "the operation does not fit what it selects"
            raise Unprocessable(message, place) from error
    if len(tree) != 1:
        message = "a document has one root"
        raise Unprocessable(message)
    return tree[0]


def _select(root: etree._Element, operation: etree._Element, place: str) -> Any:
    """The one node that the operation is about: an element, a comment, or lxml's text of an attribute or text node."""
    selector = str(operation.get("sel", "")).strip()
    if not selector or len(selector) > MAX_SELECTOR or set(_CALL.findall(_QUOTED.sub("", selector))) - _CALLS:
        message = "sel is not a location path as RFC 5261 has them"
        raise BadRequest(message, place)
    names = PREFIXES | {str(k): str(v) for k, v in operation.nsmap.items() if k}
    if own := operation.nsmap.get(None):
        # RFC 5261, 4.2.1: names without a prefix are of the patch's own default namespace.
        names["own"] = str(own)
        pieces = _QUOTED.split(selector)
        selector = "".join(p if n % 2 else _NAME.sub(r"own:\1", p) for n, p in enumerate(pieces))
    try:
        found = etree.XPath(_rooted(selector), namespaces=names, regexp=False)(root)
    except (etree.XPathError, ValueError) as error:
        raise BadRequest(f"sel cannot be followed: {str(error)[:100]}", place) from error
    if not isinstance(found, list) or len(found) != 1:
        count = len(found) if isinstance(found, list) else 0
        message = f"sel must select one node, but selects {count or 'nothing'}"
        raise Unprocessable(message, place)
    return found[0]


def _rooted(selector: str) -> str:
    """The selector from the element that holds the root: paths start at the document."""
    return f"../{selector.lstrip('/')}" if not selector.startswith("//") else f"..{selector}"


# -- the operations ---------------------------------------------------------------------------------------------------


def _add(target: Any, operation: etree._Element, place: str) -> None:
    kind, position = operation.get("type", ""), operation.get("pos", "")
    if kind.startswith("@"):
        name = _attribute(kind[1:], operation)
        if target.get(name) is not None:
            message = f"the attribute {kind[:80]} is there already"
            raise Unprocessable(message, place)
        target.set(name, operation.text or "")
    elif kind.startswith("namespace::"):
        _renamed(target, kind.removeprefix("namespace::"), operation.text or "")
    elif position in ("before", "after"):
        _beside(target, operation, after=position == "after")
    elif position in ("", "prepend"):
        _within(target, operation, first=position == "prepend")
    else:
        message = "pos is before, after or prepend"
        raise BadRequest(message, place)


def _attribute(name: str, operation: etree._Element) -> str:
    prefix, colon, rest = name.partition(":")
    return f"{{{operation.nsmap[prefix]}}}{rest}" if colon else name


def _renamed(target: etree._Element, prefix: str, uri: str) -> None:
    """Declare a namespace; an element's declarations cannot change, so a new one takes its place."""
    copy = etree.Element(target.tag, dict(target.attrib), nsmap={**target.nsmap, prefix: uri})
    copy.text, copy.tail = target.text, target.tail
    copy.extend(list(target))
    parent = target.getparent()
    parent.replace(target, copy)


def _within(target: etree._Element, operation: etree._Element, *, first: bool) -> None:
    text, nodes = operation.text or "", [deepcopy(node) for node in operation]
    if first:
        if nodes:
            nodes[-1].tail = (nodes[-1].tail or "") + (target.text or "")
            target.text = text
        else:
            target.text = text + (target.text or "")
        for place, node in enumerate(nodes):
            target.insert(place, node)
    else:
        if text and len(target):
            target[-1].tail = (target[-1].tail or "") + text
        elif text:
            target.text = (target.text or "") + text
        target.extend(nodes)


def _beside(target: etree._Element, operation: etree._Element, *, after: bool) -> None:
    parent = target.getparent()
    place = parent.index(target) + after
    nodes = [deepcopy(node) for node in operation]
    if after:
        rest, target.tail = target.tail, operation.text
        if nodes:
            nodes[-1].tail = (nodes[-1].tail or "") + (rest or "")
        else:
            target.tail = (target.tail or "") + (rest or "")
    elif place and operation.text:
        parent[place - 1].tail = (parent[place - 1].tail or "") + operation.text
    elif operation.text:
        parent.text = (parent.text or "") + operation.text
    for number, node in enumerate(nodes):
        parent.insert(place + number, node)


def _replace(target: Any, operation: etree._Element, place: str) -> None:
    if isinstance(target, str):
        _set_text(target, operation.text or "")
        return
    nodes = [deepcopy(node) for node in operation]
    if len(nodes) != 1 or isinstance(nodes[0].tag, str) != isinstance(target.tag, str):
        message = "an element is replaced by one element, a comment by a comment"
        raise Unprocessable(message, place)
    nodes[0].tail = target.tail
    target.getparent().replace(target, nodes[0])


def _remove(target: Any, operation: etree._Element, place: str) -> None:
    if isinstance(target, str):
        _set_text(target, None)
        return
    parent, previous = target.getparent(), target.getprevious()
    if target.tail:  # removing an element must not take the text after it along
        if previous is not None:
            previous.tail = (previous.tail or "") + target.tail
        else:
            parent.text = (parent.text or "") + target.tail
    parent.remove(target)


def _set_text(target: Any, text: str | None) -> None:
    """Change what lxml's string result stands for: an attribute, the text of an element, or what follows one."""
    owner = target.getparent()
    if target.is_attribute and text is None:
        del owner.attrib[target.attrname]
    elif target.is_attribute:
        owner.set(target.attrname, text)
    elif target.is_tail:
        owner.tail = text
    else:
        owner.text = text
