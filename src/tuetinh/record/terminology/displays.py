"""Whether a display is one of a concept's names in the language asked for."""

from __future__ import annotations

from collections.abc import Sequence

from tuetinh.record.terminology import designate
from tuetinh.record.terminology.coded import Coded
from tuetinh.record.terminology.issues import Issue
from tuetinh.record.terminology.language import Languages
from tuetinh.record.terminology.model import CodeSystem, Concept, Designation, Resource


def shown(system: CodeSystem, concept: Concept, listed: Resource | None, languages: Languages) -> str:
    """The display to answer with, whatever the language when there is none in those asked for."""
    names = designate.names(system, concept, listed)
    chosen = designate.choose(names, languages) or (names[0] if names else None)
    return chosen.value if chosen else ""


def check(
    coded: Coded, system: CodeSystem, concept: Concept, listed: Resource | None, languages: Languages, *, lenient: bool
) -> Issue | None:
    """What is wrong with the display that a coding gives; None when nothing is."""
    if not coded.display:
        return None
    names = designate.names(system, concept, listed)
    retired = [name for name in names if name.status]
    usable = [name for name in names if name.is_display and not name.status]
    if not usable:
        return None
    fitting = usable
    if languages:
        fitting = [name for name in usable if not name.language or languages.rank(name.language) is not None]
    if any(_same(name.value, coded.display) for name in fitting):
        return None
    if any(_same(name.value, coded.display) for name in retired):
        return _retired(coded, next(name for name in retired if _same(name.value, coded.display)), usable[0])
    if not fitting:
        return _other_language(coded, usable, languages, lenient=lenient)
    return _wrong(coded, fitting, languages, lenient=lenient)


def _same(one: str, other: str) -> bool:
    return one == other or one.casefold() == other.casefold()


def _wrong(coded: Coded, names: Sequence[Designation], languages: Languages, *, lenient: bool) -> Issue:
    spaced = any(" ".join(name.value.split()) == " ".join(coded.display.split()) for name in names)
    start = "Wrong whitespace in Display Name" if spaced else "Wrong Display Name"
    choices: list[str] = []
    for name in names:
        choice = f"'{name.value}'" + (f" ({name.language})" if name.language else "")
        if choice not in choices:
            choices.append(choice)
    listed = choices[0]
    if len(choices) > 1:
        listed = f"one of {len(choices)} choices: {', '.join(choices[:-1])} or {choices[-1]}"
    asked = languages.text or "--"
    text = f"{start} '{coded.display}' for {coded.system}#{coded.code}. Valid display is {listed} "
    text += f"(for the language(s) '{asked}')"
    message_id = f"Display_Name_{'WS_' if spaced else ''}for__should_be_one_of__instead_of"
    return Issue("warning" if lenient else "error", "invalid", "invalid-display", text, coded.at("display"), message_id)


def _other_language(coded: Coded, names: Sequence[Designation], languages: Languages, *, lenient: bool) -> Issue:
    """No name is known in the languages asked for; one in another language passes with a note."""
    known = f"{coded.system}#{coded.code}"
    if any(_same(name.value, coded.display) for name in names):
        text = (
            f"There are no valid display names found for the code {known} for language(s) '{languages.text}'. "
            f"The display is '{coded.display}' which is a valid display for the default language"
        )
        message_id = "NO_VALID_DISPLAY_FOUND_NONE_FOR_LANG_OK"
        return Issue("information", "invalid", "invalid-display", text, coded.at("display"), message_id)
    text = (
        f"Wrong Display Name '{coded.display}' for {known}. There are no valid display names found for "
        f"language(s) '{languages.text}'. Default display is '{names[0].value}'"
    )
    message_id = "NO_VALID_DISPLAY_FOUND_NONE_FOR_LANG_ERR"
    return Issue("warning" if lenient else "error", "invalid", "invalid-display", text, coded.at("display"), message_id)


def _retired(coded: Coded, name: Designation, best: Designation) -> Issue:
    text = (
        f"'{name.value}' is no longer considered a correct display for code '{coded.code}' "
        f'(status = {name.status}). The correct display is one of "{best.value}".'
    )
    return Issue(
        "warning", "invalid", "display-comment", text, coded.at("display"), "INACTIVE_DISPLAY_FOUND", told=False
    )
