"""What is compared, as conditions on two rows of features (`_l`, `_r`) in DuckDB's SQL; the numbers are learned."""

from __future__ import annotations

from tuetinh.commons.identity.linkage.features import UNIQUE

_BIRTHS = "length(birth_l) = 10 AND length(birth_r) = 10"
_YEAR = "abs(substr(birth_l, 1, 4)::int - substr(birth_r, 1, 4)::int)"
_SAME_DAY = "substr(birth_l, 6) = substr(birth_r, 6)"
_HOUSE = (
    "(list_has_any(phones_l, phones_r)::int + (mother_l <> '' AND mother_l = mother_r)::int"
    " + (commune_l <> '' AND commune_l = commune_r AND list_has_any(line_l, line_r))::int)"
)
_SHARED = " OR ".join(f"list_has_any({kind}_l, {kind}_r)" for kind in UNIQUE)
_BOTH = " OR ".join(f"(len({kind}_l) > 0 AND len({kind}_r) > 0)" for kind in UNIQUE if kind not in ("card", "mrn"))

# Comparison, and its levels: name and condition; "null" says nothing, the last one is what is left.
COMPARISONS: dict[str, list[tuple[str, str]]] = {
    "number": [
        ("null", f"NOT ({_BOTH} OR {_SHARED})"),
        ("same", _SHARED),
        (
            "slip",
            "len(cccd_l) = 1 AND len(cccd_r) = 1"
            " AND damerau_levenshtein(array_to_string(cccd_l, ''), array_to_string(cccd_r, '')) <= 2"
            " AND left(array_to_string(cccd_l, ''), 6) = left(array_to_string(cccd_r, ''), 6)",
        ),
        ("other", "ELSE"),
    ],
    "name": [
        ("null", "placeholder_l OR placeholder_r OR name_l = '' OR name_r = ''"),
        ("same, very rare", "accented_l = accented_r AND bits_l >= 20"),
        ("same, rare", "accented_l = accented_r AND bits_l >= 16"),
        ("same", "accented_l = accented_r AND bits_l >= 13"),
        ("same, common", "accented_l = accented_r"),
        ("tones, rare", "name_l = name_r AND bits_l >= 15"),
        ("tones", "name_l = name_r"),
        ("order", "words_l = words_r"),
        (
            "part",
            "given_l = given_r AND surname_l = surname_r AND least(len(words_l), len(words_r)) >= 2"
            " AND (list_has_all(words_l, words_r) OR list_has_all(words_r, words_l))",
        ),
        ("slip", "given_l = given_r AND damerau_levenshtein(name_l, name_r) <= 2"),
        ("given slip", "damerau_levenshtein(name_l, name_r) = 1 AND length(given_l) > 2 AND length(given_r) > 2"),
        ("given", "given_l = given_r AND jaro_winkler_similarity(name_l, name_r) >= 0.9"),
        ("other", "ELSE"),
    ],
    "birth": [
        ("null", "birth_l = '' OR birth_r = ''"),
        ("same", f"birth_l = birth_r AND {_BIRTHS} AND substr(birth_l, 6) <> '01-01'"),
        ("same, vague", "birth_l = birth_r"),
        ("part", "starts_with(birth_l, birth_r) OR starts_with(birth_r, birth_l)"),
        (
            "year of one unsure",
            f"{_BIRTHS} AND substr(birth_l, 1, 4) = substr(birth_r, 1, 4)"
            " AND (substr(birth_l, 6) = '01-01' OR substr(birth_r, 6) = '01-01')",
        ),
        (
            "turned",
            f"{_BIRTHS} AND substr(birth_l, 1, 4) = substr(birth_r, 1, 4)"
            " AND substr(birth_l, 6, 2) = substr(birth_r, 9, 2) AND substr(birth_l, 9, 2) = substr(birth_r, 6, 2)",
        ),
        ("slip", f"{_BIRTHS} AND damerau_levenshtein(birth_l, birth_r) = 1"),
        ("other year", f"{_BIRTHS} AND {_SAME_DAY} AND {_YEAR} <= 10 AND substr(birth_l, 6) <> '01-01'"),
        ("year", f"{_YEAR} = 0"),
        ("about", f"{_YEAR} <= 2"),
        ("other", "ELSE"),
    ],
    "sex": [
        ("null", "sex_l = '' OR sex_r = ''"),
        ("same", "sex_l = sex_r"),
        ("other", "ELSE"),
    ],
    "home": [
        (
            "null",
            "NOT (commune_l <> '' AND commune_r <> '' OR len(phones_l) > 0 AND len(phones_r) > 0"
            " OR mother_l <> '' AND mother_r <> '')",
        ),
        ("house, thrice", f"{_HOUSE} = 3"),
        ("house, twice", f"{_HOUSE} = 2"),
        ("telephone", "list_has_any(phones_l, phones_r)"),
        ("mother", "mother_l <> '' AND mother_l = mother_r"),
        ("hamlet", f"{_HOUSE} = 1"),
        ("commune", "commune_l <> '' AND commune_l = commune_r"),
        ("province", "province_l <> '' AND province_l = province_r"),
        ("other", "ELSE"),
    ],
}
