"""Text to tree and back; whatever the text is, there is a tree or a clear refusal."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuetinh.record import fhirpath
from tuetinh.record.fhirpath import syntax
from tuetinh.record.fhirpath.parser import parse
from tuetinh.record.fhirpath.values import Date, DateTime, Quantity, Time

NAMES = st.sampled_from(["name", "given", "value", "is", "contains", "div", "true", "_x", "a b", "đơn", "`", "\\"])
TEXTS = st.text(max_size=8)
VALUES = st.one_of(
    st.booleans(),
    st.integers(0, 2**31 - 1),
    st.decimals(0, 10**9, places=3, allow_nan=False, allow_infinity=False),
    TEXTS,
    st.sampled_from(
        [
            Date((2015,)),
            Date((2015, 2, 4)),
            DateTime((2015,)),
            DateTime((2015, 2, 4, 14, 34, Decimal("28.123")), "+07:00"),
            Time((14, 34)),
            Quantity(Decimal("4.5"), "mg"),
            Quantity(Decimal(4), "days"),
            Quantity(Decimal(1), "a'b"),
        ]
    ),
)
LEAVES = st.one_of(
    VALUES.map(syntax.Literal),
    st.just(syntax.Empty()),
    NAMES.map(syntax.Member),
    NAMES.map(syntax.Variable),
    st.sampled_from(["this", "index", "total"]).map(syntax.Special),
)
TYPES = st.builds(syntax.TypeName, st.sampled_from(["", "FHIR", "System"]), NAMES)


def larger(parts: st.SearchStrategy[syntax.Node]) -> st.SearchStrategy[syntax.Node]:
    calls = st.builds(syntax.Call, NAMES, st.lists(parts, max_size=3).map(tuple))
    steps = st.one_of(NAMES.map(syntax.Member), calls, st.just(syntax.Special("this")))
    return st.one_of(
        calls,
        st.builds(syntax.Path, parts, steps),
        st.builds(syntax.Indexer, parts, parts),
        st.builds(syntax.Unary, st.sampled_from("+-"), parts),
        st.builds(syntax.Binary, st.sampled_from(sorted(set(syntax.BINDING) - {"is", "as"})), parts, parts),
        st.builds(syntax.TypeTest, st.sampled_from(["is", "as"]), parts, TYPES),
    )


TREES = st.recursive(LEAVES, larger, max_leaves=12)


@given(TREES)
def test_a_tree_written_and_parsed_is_the_same_tree(tree: syntax.Node) -> None:
    assert parse(str(tree)) == tree


@given(st.text(st.sampled_from("abc.()[]{}'`\"\\%$@T:-+*/|&=<>!~, 0123456789\n"), max_size=40))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    try:
        tree = parse(text)
    except fhirpath.FHIRPathError as error:
        assert str(error)
    else:
        assert parse(str(tree)) == tree


@pytest.mark.parametrize(
    ("text", "as_read"),
    [
        ("1 + 2 * 3", "1 + (2 * 3)"),
        ("a = 1 and b = 2 or c = 3", "((a = 1) and (b = 2)) or (c = 3)"),
        ("-a.b", "-(a.b)"),
        ("a | b = c", "(a | b) = c"),
        ("a is Quantity = true", "(a is Quantity) = true"),
        ("a implies b implies c", "(a implies b) implies c"),
        ("1 // to the end\n+ 2 /* and\nthis */", "1 + 2"),
        ("name.`given`[0]", "name.given[0]"),
        ("%`vs-name`", "%'vs-name'"),
        ("text.div", "text.`div`"),
        (r"'\u00e1\'\p'", "'á\\'p'"),
    ],
)
def test_how_text_is_read(text: str, as_read: str) -> None:
    assert parse(text) == parse(as_read)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "unexpected 'the end' at position 1"),
        ("name.", "unexpected 'the end' at position 6"),
        ("2 + /* open", "unexpected '/* open' at position 5"),
        ("'open", 'unexpected "\'open" at position 1'),
        ("a as b.c.d", "unexpected '.' at position 9"),
        ("@2015-13", "'@2015-13' is no date or time at position 1"),
        ("@2015-02-30", "'@2015-02-30' is no date or time at position 1"),
        ("@T14:34:28Z", "unexpected 'Z' at position 11"),
        ("2147483648", "the integer 2147483648 is out of range at position 1"),
        ("a b", "unexpected 'b' at position 3"),
        ("$that", "unexpected 'that' at position 1"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, said: str) -> None:
    with pytest.raises(fhirpath.ParseError) as caught:
        fhirpath.compile(text)
    assert str(caught.value) == said
