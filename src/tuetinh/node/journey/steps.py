"""The steps of the journey, in their order. Each yields the lines that it prints."""

from __future__ import annotations

import base64
import json
import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from lxml import etree

from tuetinh.node.journey.desk import Desk, Follower, Page, Refused
from tuetinh.node.journey.peers import Fhir, results, send_hl7

TESTS = {"22.0120.1370": "CBC", "23.0075.1494": "GLU"}
VALUES = {
    "WBC": ("7.2", "10*9/L", "4-10"),
    "RBC": ("4.61", "10*12/L", "3.9-5.4"),
    "HGB": ("131", "g/L", "120-160"),
    "PLT": ("238", "10*9/L", "150-400"),
    "GLU": ("7.80", "mmol/L", "3.9-6.4"),
}
VITALS = {"systolic": "146", "diastolic": "88", "pulse": "78", "temperature": "36,7", "weight": "51", "height": "152"}
REASON = "Tái khám, thỉnh thoảng chóng mặt"


@dataclass
class World:
    """What the steps know of each other."""

    demo: dict[str, Any]
    desks: dict[str, Desk] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)

    def account(self, role: str) -> dict[str, str]:
        """The account of a role."""
        return next(a for a in self.demo["accounts"] if a["role"] == role)

    def desk(self, role: str) -> Desk:
        """The logged-in session of a role."""
        if role not in self.desks:
            account = self.account(role)
            self.desks[role] = Desk(self.demo["url"], account["username"], account["password"])
        return self.desks[role]

    @property
    def visit(self) -> str:
        """Path of the visit at the doctor's desk."""
        return f"/clinic/visits/{self.told['encounter']}"


def connect(world: World) -> Iterator[str]:
    """Everyone logs in; a connected system takes its token and reads who the citizen is."""
    fhir = world.told["fhir"] = Fhir(world.demo["url"], world.demo["client"])
    for role in ("reception", "doctor", "lab", "cashier", "citizen"):
        world.desk(role)
    card = fhir.get("metadata")
    yield f"FHIR {card['fhirVersion']}, {len(card['rest'][0]['resource'])} loại tài nguyên"
    page = world.desk("citizen").get("/")
    yield f"người dân đăng nhập: {page.url.removeprefix(world.demo['url'])}"


def scan(world: World) -> Iterator[str]:
    """Reception scans the citizen's card; the card leads to the person, whose insurance is asked for."""
    fhir: Fhir = world.told["fhir"]
    bundle = fhir.all("Patient", _id=_citizen(world))
    if not bundle:
        raise Refused("the citizen's Patient is not in the record")
    patient = world.told["patient"] = bundle[0]
    desk = world.desk("reception")
    page = desk.submit(desk.get("/reception"), "/reception", {"q": _qr(patient)})
    if not page.url.endswith(f"/reception/people/{patient['id']}"):
        raise Refused(f"the scanned card led to {page.url}")
    card = desk.post(f"/reception/people/{patient['id']}/card", {})
    outcome = card.attribute("//*[@data-outcome]/@data-outcome")
    if outcome != "valid":
        raise Refused(f"the gateway said {outcome}: {card.text}")
    world.told["page"] = page
    yield f"{patient['name'][0]['text']} ({patient['id']}), {card.text}"


def receive(world: World) -> Iterator[str]:
    """The visit is opened, the number printed, and the waiting-room screen shows it within a second."""
    desk, room = world.desk("reception"), _doctors_room(world)
    page: Page = world.told["page"]
    open_ = [str(href) for href in page.tree.xpath("//main//a[starts-with(@href, '/reception/visits/')]/@href")]
    for href in open_:  # what an earlier journey left half-way
        left = desk.get(href)
        if f"{href}/cancel" in left.content.decode():
            desk.submit(left, f"{href}/cancel", {"reason": "Đăng ký nhầm"})
        else:
            _end(world.desk("doctor"), f"/clinic/visits/{href.rpartition('/')[2]}")
        yield f"dọn lượt khám dở {href.rpartition('/')[2]}"
    screen = Follower(httpx.Client(base_url=world.demo["url"]), f"queue:{room}")
    visit = desk.submit(page, page.url, {"room": room, "reason": REASON, "kind": "own"})
    encounter = world.told["encounter"] = visit.attribute("//*[@data-encounter]/@data-encounter")
    number = visit.attribute("//*[@data-number]/@data-number")
    waited = screen.wait(1.0)
    wall = desk.get(f"/wall/{room}")
    if f"{int(number):03d}" not in wall.text or world.told["patient"]["name"][0]["text"] in wall.text:
        raise Refused("the waiting-room screen does not show the number, or shows a full name")
    ticket = _pdf(desk.get(f"/reception/visits/{encounter}/ticket.pdf"))
    yield f"lượt khám {encounter}, số {int(number):03d}, phiếu {ticket} byte, màn hình sau {waited * 1000:.0f} ms"


def examine(world: World) -> Iterator[str]:
    """The doctor calls, begins, measures, examines and diagnoses; a forbidden principal code is refused."""
    desk = world.desk("doctor")
    desk.submit(desk.get(world.visit), f"{world.visit}/call")
    page = desk.submit(desk.get(world.visit), f"{world.visit}/start")
    page = desk.submit(page, f"{world.visit}/vitals", VITALS)
    told = {"history": "Uống thuốc đều", "examination": "Tỉnh, tim đều, phổi trong", "secondary": ["E11.9"]}
    refused = desk.http.post(
        f"{world.visit}/examination",
        data=told
        | {"principal": "Z99.9X", "csrfmiddlewaretoken": page.attribute("//input[@name='csrfmiddlewaretoken']/@value")},
        headers={"Referer": page.url},
    )
    if refused.status_code != 422:
        raise Refused(f"an unknown diagnosis answered {refused.status_code}")
    page = desk.submit(page, f"{world.visit}/examination", told | {"principal": "I10", "next": "1"})
    yield "sinh hiệu, khám, chẩn đoán I10; E11.9; mã sai bị từ chối tại chỗ"


def order(world: World) -> Iterator[str]:
    """Tests are ordered; each tube has its number."""
    desk = world.desk("doctor")
    meant = {"tests": list(TESTS), "again": "1"}  # even where an earlier journey ordered them today
    page = desk.submit(desk.get(world.visit, tab="orders"), f"{world.visit}/orders", meant)
    tubes = world.told["tubes"] = [str(t) for t in page.tree.xpath("//li[@data-tube]/@data-tube")]
    if not tubes:
        raise Refused("no tube came of the order")
    yield f"mẫu {', '.join(tubes)}"


def analyse(world: World) -> Iterator[str]:
    """The technician takes the tubes in; the analyser sends by MLLP; the doctor's page hears of the release."""
    desk, port = world.desk("lab"), world.demo["ports"]["mllp"]
    doctor = Follower(world.desk("doctor").http, f"visit:{world.told['encounter']}")
    for number in world.told["tubes"]:
        desk.submit(desk.get(f"/lab/tubes/{number}"), f"/lab/tubes/{number}/receive")
        page = desk.get(f"/lab/tubes/{number}")
        mine = VALUES if "WBC" in page.text or len(world.told["tubes"]) == 1 else {"GLU": VALUES["GLU"]}
        mine = (
            {k: v for k, v in mine.items() if k != "GLU"} if mine is VALUES and len(world.told["tubes"]) > 1 else mine
        )
        ack = send_hl7(port, results(number, mine))
        yield f"mẫu {number}: {len(mine)} kết quả, {ack.split(chr(13))[1]}"
    lost = send_hl7(port, results("000000000000000", {"GLU": VALUES["GLU"]}))
    yield f"mẫu lạ vào hộp thư: {lost.split(chr(13))[1]}"
    for number in world.told["tubes"]:
        desk.submit(desk.get(f"/lab/tubes/{number}"), f"/lab/tubes/{number}/release")
    doctor.wait(2)
    page = world.desk("doctor").get(world.visit, tab="orders")
    codes = page.tree.xpath("//tr[@data-result]/@data-result")
    if "14749-6" not in codes:
        raise Refused(f"the doctor's page shows {codes}")
    yield f"bác sĩ thấy {len(codes)} kết quả không cần tải lại"


def prescribe(world: World) -> Iterator[str]:
    """A prescription with the dose in words; an allergy is warned of."""
    desk = world.desk("doctor")
    drugs = {q: _drug(desk, q) for q in ("amlodipin 5", "amoxicilin")}
    line = {"times": ["1"], "dose": ["1"], "days": ["30"], "note": ["buổi sáng"]}
    page = desk.get(world.visit, tab="prescription")
    status, text = desk.try_(page, f"{world.visit}/prescription", line | {"drug": [drugs["amoxicilin"]]})
    if status != 409 or "dị ứng" not in text:
        raise Refused(f"penicillin allergy: the page answered {status}")
    desk.submit(page, f"{world.visit}/prescription", line | {"drug": [drugs["amlodipin 5"]], "next": "1", "sure": "1"})
    size = _pdf(desk.get(f"{world.visit}/prescription.pdf"))
    yield f"đơn thuốc {size} byte; cảnh báo dị ứng penicillin khi kê amoxicilin"


def pay(world: World) -> Iterator[str]:
    """The bill is split between fund and patient; what the patient owes is paid."""
    desk, encounter = world.desk("cashier"), world.told["encounter"]
    page = desk.get(f"/billing/{encounter}")
    sums = [" ".join(td.text_content().split()) for td in page.tree.xpath("//tfoot//td")]
    yield f"tổng {sums[0]}, quỹ {sums[1]}, cùng chi trả {sums[2]}, tự trả {sums[3]}"
    if "/transfer" in page.content.decode():
        yield from _transfer(world, encounter)
    elif "Đã thanh toán đủ" not in page.text:
        raise Refused(f"the bill is not paid: {page.text[:300]}")


def newcomer(world: World) -> Iterator[str]:
    """Somebody nobody knew, without insurance: registered from the card, pays by transfer, is seen."""
    desk, room = world.desk("reception"), _doctors_room(world)
    number = f"0121{random.randrange(10**8):08d}"  # noqa: S311 - an invented person
    given = random.choice(("Mỷ", "Dở", "Pằng", "Chía"))  # noqa: S311
    card = (
        f"{number}||Vàng Thị {given}|{random.randrange(1, 29):02d}061990|Nữ|Bản Hua Thàng, Xã Pắc Ta, Lai Châu|01012022"  # noqa: S311
    )
    form = desk.submit(desk.get("/reception"), "/reception", {"q": card})
    page = desk.submit(form, "/reception/new", {"sure": "1"})
    visit = desk.submit(page, page.url, {"room": room, "reason": "Ho khan một tuần", "kind": "own"})
    encounter = visit.attribute("//*[@data-encounter]/@data-encounter")
    yield f"đăng ký Vàng Thị {given}, lượt khám {encounter}"
    yield from _transfer(world, encounter)
    doctor, path = world.desk("doctor"), f"/clinic/visits/{encounter}"
    doctor.submit(doctor.get(path), f"{path}/start")
    _end(doctor, path)
    yield "khám và kết thúc"


def _transfer(world: World, encounter: str) -> Iterator[str]:
    """Ask for a VietQR code, let the bank pay it, see the page change by itself, print the receipt."""
    desk = world.desk("cashier")
    live = Follower(desk.http, f"bill:{encounter}")
    page = desk.submit(desk.get(f"/billing/{encounter}"), f"/billing/{encounter}/transfer")
    code = page.attribute("//*[@data-qr]/@data-qr")
    paid = httpx.post(f"http://127.0.0.1:{world.demo['ports']['bank']}/pay", json={"qr": code}, timeout=20)
    if paid.status_code != 200 or paid.json().get("status") != 200:
        raise Refused(f"the bank was answered {paid.text[:300]}")
    live.wait(5)
    page = desk.get(f"/billing/{encounter}")
    if "Đã thanh toán đủ" not in page.text:
        raise Refused(f"the bill is not paid: {page.text[:300]}")
    receipts = [str(r) for r in page.tree.xpath("//a[contains(@href,'receipt=')]/@href")]
    number = re.sub(r"\D", "", receipts[-1].split("receipt=")[1])
    size = _pdf(desk.get(f"/billing/payments/{number}/receipt.pdf"))
    yield f"VietQR {code[:24]}…, ngân hàng báo có {paid.json()['id']}, biên lai {size} byte"


def close(world: World) -> Iterator[str]:
    """Nothing may be missing; then the visit ends and its insurance file is built and checked."""
    desk = world.desk("doctor")
    page = desk.get(world.visit, tab="close")
    status, text = desk.try_(page, f"{world.visit}/close", {"result": "2", "disposition": "1", "advice": ""})
    if status != 422 or "lời dặn" not in text:
        raise Refused(f"closing without advice answered {status}")
    told = {"result": "2", "disposition": "1", "advice": "Ăn nhạt, uống thuốc đều", "follow_up": ""}
    page = desk.submit(page, f"{world.visit}/close", told)
    xml = etree.fromstring(desk.get(f"{world.visit}/claim.xml").content)
    files = {f.findtext("LOAIHOSO"): base64.b64decode(f.findtext("NOIDUNGFILE") or "") for f in xml.iter("FILEHOSO")}
    first = etree.fromstring(files["XML1"])
    if first.findtext("MA_BENH_CHINH") != "I10":
        raise Refused(f"XML1 says MA_BENH_CHINH {first.findtext('MA_BENH_CHINH')}")
    problems = [" ".join(p.text_content().split()) for p in page.tree.xpath("//li[@data-problem]")]
    if problems:
        raise Refused(f"the insurance file lacks: {'; '.join(problems)}")
    sums = {name: first.findtext(name) for name in ("T_TONGCHI_BV", "T_BHTT", "T_BNCCT", "T_BNTT")}
    yield f"{', '.join(files)}, không còn gì phải bổ sung; {json.dumps(sums)}"
    yield f"tóm tắt {_pdf(desk.get(f'{world.visit}/summary.pdf'))} byte"


def follow(world: World) -> Iterator[str]:
    """The citizen sees it on the phone; the same facts stand on the FHIR API."""
    fhir: Fhir = world.told["fhir"]
    about = f"Encounter/{world.told['encounter']}"
    encounter = fhir.get(about)
    if encounter["status"] != "finished":
        raise Refused(f"the Encounter is {encounter['status']}")
    counts = {}
    for type_ in ("Condition", "Observation", "ServiceRequest", "DiagnosticReport", "MedicationRequest"):
        counts[type_] = len(fhir.all(type_, encounter=about, _count="100"))
    counts["ChargeItem"] = len(fhir.all("ChargeItem", context=about, _count="100"))
    if not all(counts.values()):
        raise Refused(f"the record lacks facts of the visit: {counts}")
    yield ", ".join(f"{name} {count}" for name, count in counts.items())
    citizen = world.desk("citizen")
    start = time.monotonic()
    texts = [citizen.get(path).text for path in _citizen_pages(citizen)]
    if not any("Glucose" in text or "Đường huyết" in text for text in texts):
        raise Refused("the citizen's pages do not show the glucose result")
    if not any("Amlodipin" in text for text in texts):
        raise Refused("the citizen's pages do not show the medicine")
    yield f"{len(texts)} trang của người dân, {(time.monotonic() - start) * 1000:.0f} ms"


def refuse(world: World) -> Iterator[str]:
    """The outsider gets nothing of it, by no door."""
    desk, encounter, patient = world.desk("outsider"), world.told["encounter"], world.told["patient"]["id"]
    paths = (
        f"/clinic/visits/{encounter}",
        f"/clinic/people/{patient}",
        f"/reception/visits/{encounter}",
        f"/billing/{encounter}",
        f"/lab/tubes/{world.told['tubes'][0]}",
        "/people",
        f"/fhir/Patient/{patient}",
        f"/fhir/Encounter/{encounter}",
        f"/fhir/Observation?patient={patient}",
        "/fhir/Patient",
    )
    answers = {path: desk.status(path) for path in paths}
    if open_ := [path for path, status in answers.items() if status not in (401, 403, 404)]:
        raise Refused(f"the outsider was let in at {open_}")
    yield f"{len(answers)} lối vào, tất cả từ chối"


def _end(desk: Desk, visit: str) -> None:
    """Finish a visit that was left open."""
    desk.submit(desk.get(visit), f"{visit}/examination", {"principal": "I10"})
    told = {"result": "2", "disposition": "1", "advice": "Khám lại khi cần"}
    desk.submit(desk.get(visit, tab="close"), f"{visit}/close", told)


def _citizen(world: World) -> str:
    """The Patient id of the citizen of the cast: the one that their own session may read."""
    answer = world.desk("citizen").http.get("/fhir/Patient", headers={"Accept": "application/fhir+json"})
    entries = answer.json().get("entry", []) if answer.status_code == 200 else []
    if len(entries) != 1:
        raise Refused(f"the citizen's session sees {len(entries)} patients at /fhir ({answer.status_code})")
    return str(entries[0]["resource"]["id"])


def _citizen_pages(desk: Desk) -> list[str]:
    """Every page that the bottom bar of the citizen's home leads to."""
    home = desk.get("/")
    links = [str(href) for href in home.tree.xpath("//nav//a/@href | //main//a/@href")]
    inside = [link for link in dict.fromkeys(links) if link.startswith("/") and not link.endswith(".pdf")]
    return [link for link in inside if link.split("?")[0] not in ("/logout", "/language", "/password")][:25]


def _doctors_room(world: World) -> str:
    page = world.desk("doctor").get("/clinic")
    connect_ = page.attribute("//*[@id='queue']/@sse-connect")
    return connect_.split("queue:")[1].replace("%2D", "-")


def _qr(patient: dict[str, Any]) -> str:
    """The text on the back of the citizen's card."""
    number = next(i["value"] for i in patient["identifier"] if re.fullmatch(r"\d{12}", i.get("value", "")))
    day = "".join(reversed(patient["birthDate"].split("-")))
    sex = {"male": "Nam", "female": "Nữ"}[patient["gender"]]
    address = (patient.get("address") or [{}])[0].get("text", "")
    return f"{number}||{patient['name'][0]['text']}|{day}|{sex}|{address}|01012022"


def _drug(desk: Desk, text: str) -> str:
    answer = desk.http.get("/catalogues/drugs", params={"q": text}, headers={"Accept": "application/json"})
    found = answer.json()
    if not found:
        raise Refused(f"no medicine for {text!r}")
    return str(found[0]["value"])


def _pdf(page: Page) -> int:
    if not page.content.startswith(b"%PDF"):
        raise Refused(f"{page.url} is no PDF")
    return len(page.content)


STEPS: tuple[tuple[str, Callable[[World], Iterator[str]]], ...] = (
    ("Đăng nhập", connect),
    ("Quét thẻ, kiểm tra BHYT", scan),
    ("Tiếp đón, cấp số", receive),
    ("Khám, chẩn đoán", examine),
    ("Chỉ định xét nghiệm", order),
    ("Xét nghiệm", analyse),
    ("Kê đơn", prescribe),
    ("Thu ngân", pay),
    ("Người mới, không thẻ, chuyển khoản", newcomer),
    ("Kết thúc, hồ sơ BHYT", close),
    ("Trên điện thoại và trên API", follow),
    ("Người ngoài", refuse),
)
