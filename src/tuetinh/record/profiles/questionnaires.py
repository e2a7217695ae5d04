"""A QuestionnaireResponse against its Questionnaire (R4 questionnaireresponse.html, 9.9.7; SDC's extensions)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tuetinh.record.fhirpath import FHIRPathError, compile
from tuetinh.record.profiles import answers
from tuetinh.record.profiles.library import Library
from tuetinh.record.validate.problem import Problem

Json = dict[str, Any]
FINISHED = frozenset({"completed", "amended"})


def problems(library: Library, response: Json, path: str) -> list[Problem]:
    """What is wrong with the response; nothing when its questionnaire is not known."""
    canonical = str(response.get("questionnaire", ""))
    if canonical.startswith("#"):
        inside = [c for c in response.get("contained", []) if c.get("id") == canonical[1:]]
        questionnaire = inside[0] if inside else None
    else:
        questionnaire = library.resource("Questionnaire", canonical)
        if questionnaire is None and (other := library.resource("", canonical)):
            message = f"{canonical[:200]} is a {other['resourceType']}, not a Questionnaire"
            return [Problem("error", "value", f"{path}.questionnaire", message)]
        if questionnaire is None and library.value_set(canonical.partition("|")[0]):
            return [Problem("error", "value", f"{path}.questionnaire", f"{canonical[:200]} is a ValueSet")]
    if questionnaire is None or questionnaire.get("resourceType") != "Questionnaire":
        return []
    return list(_Response(library, questionnaire, response).check(path))


class _Response:
    """One response while it is compared."""

    def __init__(self, library: Library, questionnaire: Json, response: Json) -> None:
        self.library, self.questionnaire, self.response = library, questionnaire, response
        self.finished = response.get("status") in FINISHED
        self.given: dict[str, list[Json]] = {}
        self.known = {str(item.get("linkId")) for item in _walk(questionnaire)}
        for item in _walk(response):
            self.given.setdefault(str(item.get("linkId")), []).extend(item.get("answer", []))

    def check(self, path: str) -> Iterator[Problem]:
        yield from self.level(self.questionnaire.get("item", []), self.response.get("item", []), path)

    def level(self, asked: list[Json], given: list[Json], path: str) -> Iterator[Problem]:
        """The items of one level: known here, in order, as often as they may be, and there when they must."""
        places = {str(item.get("linkId")): place for place, item in enumerate(asked)}
        groups: dict[str, list[tuple[str, Json]]] = {}
        last = -1
        for number, item in enumerate(given):
            link, place = str(item.get("linkId")), f"{path}.item[{number}]"
            if link not in places:
                where = "stands in the wrong place" if link in self.known else "is not in the questionnaire"
                yield _error(place, "structure", f"the linkId {link[:80]!r} {where}")
                continue
            if places[link] < last:
                yield _error(place, "structure", f"the item {link[:80]!r} is not in the questionnaire's order")
            last = places[link]
            groups.setdefault(link, []).append((place, item))
        for question in asked:
            found = groups.get(str(question.get("linkId")), [])
            yield from self.item(question, found, path)

    def item(self, question: Json, found: list[tuple[str, Json]], path: str) -> Iterator[Problem]:
        """The items of a response for one item of the questionnaire."""
        link, kind = str(question.get("linkId"))[:80], str(question.get("type"))
        filled = [(place, item) for place, item in found if item.get("answer") or item.get("item")]
        if not self.enabled(question):
            for place, _ in filled:
                yield _error(place, "invariant", f"the item {link!r} is answered, though it is not enabled")
            return
        if question.get("required") and self.finished and not filled and kind != "display":
            yield _error(path, "required", f"the item {link!r} needs an answer")
        if len(found) > 1 and not (kind == "group" and question.get("repeats")):
            yield _error(found[1][0], "structure", f"the item {link!r} may stand once only")
        for place, item in found:
            if kind in ("group", "display"):
                if item.get("answer"):
                    yield _error(place, "structure", f"the item {link!r} is a {kind}: it has no answer")
                if kind == "display" and item.get("item"):
                    yield _error(place, "structure", f"the item {link!r} is a text: nothing is below it")
                yield from self.level(question.get("item", []), item.get("item", []), place)
            else:
                yield from self.question(question, item, place)

    def question(self, question: Json, item: Json, place: str) -> Iterator[Problem]:
        link = str(question.get("linkId"))[:80]
        if item.get("item"):
            yield _error(place, "structure", f"the items below the question {link!r} stand within its answers")
        given = item.get("answer", [])
        most = answers.extension(question, "maxOccurs") or (None if question.get("repeats") else 1)
        least = answers.extension(question, "minOccurs")
        if most is not None and len(given) > most:
            yield _error(place, "structure", f"the item {link!r} may have {most} answers, not {len(given)}")
        if least is not None and self.finished and len(given) < least:
            yield _error(place, "required", f"the item {link!r} needs {least} answers, not {len(given)}")
        check = answers.Answers(self.library, self.questionnaire, question)
        for message in check.together(given):
            yield _error(place, "value", message)
        for number, answer in enumerate(given):
            where = f"{place}.answer[{number}]"
            for message in check.one(answer):
                yield _error(where, "value", message)
            yield from self.level(question.get("item", []), answer.get("item", []), where)

    def enabled(self, question: Json) -> bool:
        """Whether the conditions of an item hold (Questionnaire.item.enableWhen)."""
        expression = answers.extension(question, "enableWhenExpression")
        if isinstance(expression, dict) and expression.get("language") == "text/fhirpath":
            try:
                return compile(str(expression.get("expression"))).holds(self.response)
            except FHIRPathError:
                return True
        conditions = question.get("enableWhen", [])
        if not conditions:
            return True
        held = (self.holds(c) for c in conditions)
        return all(held) if question.get("enableBehavior") == "all" else any(held)

    def holds(self, condition: Json) -> bool:
        values = [answers.value(a) for a in self.given.get(str(condition.get("question")), [])]
        values = [v for v in values if v is not None]
        wanted = next((v for k, v in condition.items() if k.startswith("answer")), None)
        operator = condition.get("operator")
        if operator == "exists":
            return bool(values) == bool(wanted)
        if operator == "!=":
            return not any(answers.equal(v, wanted) for v in values)
        return any(answers.compare(v, str(operator), wanted) for v in values)


def _walk(container: Json) -> Iterator[Json]:
    """All items below, those of answers among them."""
    for item in container.get("item", []):
        yield item
        yield from _walk(item)
        for answer in item.get("answer", []):
            yield from _walk(answer)


def _error(path: str, code: str, message: str) -> Problem:
    return Problem("error", code, path, message)
