"""XML from strangers: no DTD, no entities, no network, no endless depth."""

from __future__ import annotations

from lxml import etree

from tuetinh.record.errors import BadRequest

FHIR = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"
MAX_DEPTH = 200


class XmlRefused(BadRequest):
    """The text is no XML, or XML with parts that are not taken."""

    code = "structure"


def parse(data: bytes) -> etree._Element:
    """The root of a document, without its processing instructions. Raises XmlRefused."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise XmlRefused(f"the body is not valid UTF-8 (byte {error.start})") from error
    # Entities bring other files in, or blow the document up; they can only be declared in a DTD, which FHIR forbids
    # (xml.html, 2.6.1.1).
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        message = "a document type declaration is not taken"
        raise XmlRefused(message)
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise XmlRefused(f"the body is not valid XML: {str(error)[:200]}") from error
    if root is None:
        message = "the body holds no XML element"
        raise XmlRefused(message)
    return root


def local(node: etree._Element) -> tuple[str, str]:
    """Namespace and local name of an element."""
    name = etree.QName(node)
    return name.namespace or "", name.localname
