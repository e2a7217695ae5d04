"""Login with an account of an outside provider: against a real one, and against one that lies."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest
from django.test import Client
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from lxml import html
from pytest_django.live_server_helper import LiveServer

from tuetinh.commons.access.models import Account, AccountEvent, Glass, Link, Provider, Session
from tuetinh.commons.access.outside import administering, providers, who
from tuetinh.commons.access.proof import actions
from tuetinh.node.testing import PASSWORD

TOOLS = Path(__file__).parents[5] / "tools"
SECRET = "mat-khau-cua-tue-tinh"
ID = "so-y-te"


def make(cast: dict[str, Account], issuer: str, **changes: Any) -> Provider:
    """A provider of the province; who is `id-NAME` there is who has linked the own account."""
    providers._parties.clear()
    fields = {"name": "Sở Y tế", "issuer": issuer, "client_id": "tuetinh", **changes}
    return administering.save(cast["province"], ID, fields, SECRET)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def is_in(browser: httpx.Client | Client) -> bool:
    return Session.objects.filter(account__isnull=False).exists()


# -- a real provider --------------------------------------------------------------------------------------------------


@contextmanager
def running(port: int, kid: str, base: str) -> Iterator[str]:
    """Node's `oidc-provider`; its issuer."""
    node = Path(sys.executable).with_name("node")
    back, out = f"{base}/login/outside/{ID}/back", f"{base}/login"
    command = [node, TOOLS / "clients" / "provider.mjs", str(port), kid, "tuetinh", SECRET, back, out]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout is not None
        told = []
        for line in process.stdout:
            told.append(line)
            if line == "ready\n":
                break
        assert told[-1:] == ["ready\n"], told
        yield f"http://127.0.0.1:{port}"
    finally:
        process.communicate(timeout=20)  # it ends with its input


@pytest.fixture
def unpacked() -> None:
    if not (TOOLS / "clients" / "node_modules" / "oidc-provider").is_dir():
        pytest.skip("tools/test_packages.py, which `make test` runs, has not unpacked the provider")


@pytest.fixture
def real(live_server: LiveServer, unpacked: None) -> Iterator[str]:
    with running(free_port(), "first", live_server.url) as issuer:
        yield issuer


class Person:
    """Somebody with a browser, who fills whatever form comes."""

    def __init__(self, base: str) -> None:
        self.http = httpx.Client(base_url=base, follow_redirects=True, timeout=20)
        self.page = self.http.get("/login")

    def send(self, action: str, **values: str) -> httpx.Response:
        """Send the form whose action, or button, ends so."""
        tree = html.fromstring(self.page.text)
        for form in tree.forms:
            target = form.get("action") or str(self.page.url)
            buttons = form.xpath(".//button/@formaction")
            target = next((one for one in buttons if one.endswith(action)), target)
            if target.split("?")[0].endswith(action):
                data = dict(form.form_values()) | values
                headers = {"Referer": str(self.page.url)}
                self.page = self.http.post(urljoin(str(self.page.url), target), data=data, headers=headers)
                return self.page
        raise AssertionError(f"no form for {action} on {self.page.url}: {self.page.text[:500]}")

    def come(self, name: str, next_: str = "") -> httpx.Response:
        """Log in at the provider as somebody, and come back."""
        self.page = self.http.get("/login", params={"next": next_} if next_ else None)
        self.send(f"/login/outside/{ID}")
        return self.allow(name)

    def allow(self, name: str) -> httpx.Response:
        while "/interaction/" in self.page.url.path:
            uid = self.page.url.path
            self.send(uid, login=name, password="x") if 'name="login"' in self.page.text else self.send(uid)
        return self.page


@pytest.fixture
def people(live_server: LiveServer) -> Iterator[Callable[[], Person]]:
    """Makes people, whose browsers are closed in the end."""
    made: list[Person] = []

    def person() -> Person:
        made.append(Person(live_server.url))
        return made[-1]

    yield person
    for one in made:
        one.http.close()


@pytest.mark.peer
@pytest.mark.django_db(transaction=True)
def test_real_provider(real: str, people: Callable[[], Person], cast: dict[str, Account]) -> None:
    make(cast, real)
    person = people()
    assert "chưa nối với tài khoản nào" in person.come("lan").text
    assert not is_in(person.http)
    administering.link(cast["doctor"], Provider.objects.get(), "lan")
    page = person.come("lan", "/account/sessions")
    assert page.url.path == "/account/sessions"
    assert "bằng tài khoản ngoài" in page.text
    assert Session.objects.get(account__isnull=False).account_id == cast["doctor"].pk

    person.page = page
    out = person.send("/logout")
    assert out.url.host == "127.0.0.1"
    assert out.url.path == "/session/end"
    assert person.send("/session/end/confirm", logout="yes").url.path == "/login"
    assert not is_in(person.http)
    assert "/interaction/" in _begun(person).url.path, "the provider has forgotten too"


def _begun(person: Person) -> httpx.Response:
    person.page = person.http.get("/login")
    return person.send(f"/login/outside/{ID}")


@pytest.mark.peer
@pytest.mark.django_db(transaction=True)
def test_new_keys_of_a_real_provider_are_taken(
    live_server: LiveServer, unpacked: None, people: Callable[[], Person], cast: dict[str, Account]
) -> None:
    port = free_port()
    make(cast, f"http://127.0.0.1:{port}", claim="preferred_username", by_username=True)
    for kid in ("first", "second"):
        with running(port, kid, live_server.url):
            person = people()
            assert person.come("cast.nurse").status_code == 200, kid
            assert person.page.url.path.startswith("/clinic"), kid
    assert Session.objects.filter(account=cast["nurse"]).count() == 2


@pytest.mark.peer
@pytest.mark.django_db(transaction=True)
def test_real_provider_proves_again(real: str, people: Callable[[], Person], cast: dict[str, Account]) -> None:
    make(cast, real)
    administering.link(cast["doctor"], Provider.objects.get(), "lan")
    person = people()
    person.come("lan", "/records/cast-citizen/open")
    row = Session.objects.get(account__isnull=False)
    store = row.get_session_store_class()(row.session_key)
    store["proved"] = 0
    store.save()
    person.page = person.http.get("/records/cast-citizen/open")
    asked = person.send("/open", reason="Cấp cứu, người bệnh hôn mê")
    assert (asked.status_code, Glass.objects.count()) == (403, 0)
    assert "/interaction/" in person.send(f"/login/outside/{ID}/again").url.path, "the provider asks, though logged in"
    person.allow("lan")
    assert "Đúng là bạn" in person.page.text
    assert person.send("/open").url.path == "/people/cast-citizen"
    assert Glass.objects.get().reason == "Cấp cứu, người bệnh hôn mê"


# -- a provider that lies ---------------------------------------------------------------------------------------------

KEY = RSAKey.generate_key(2048, {"kid": "k", "use": "sig", "alg": "RS256"})
OTHER = RSAKey.generate_key(2048, {"kid": "k", "use": "sig", "alg": "RS256"})
Change = Callable[[dict[str, Any]], dict[str, Any]]


class Liar(ThreadingHTTPServer):
    """Answers as a provider would, with the token that a test wants."""

    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.issuer = f"http://127.0.0.1:{self.server_address[1]}"
        self.metadata: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/auth",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        }
        self.token: Callable[[], str | None] = lambda: None
        self.sent: dict[str, list[str]] = {}


class _Answers(BaseHTTPRequestHandler):
    server: Liar

    def do_GET(self) -> None:
        known = {"/jwks": {"keys": [KEY.as_dict(private=False)]}}
        self._answer(known.get(self.path, self.server.metadata))

    def do_POST(self) -> None:
        self.server.sent = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        token = self.server.token()
        self._answer({"access_token": "a", "token_type": "Bearer"} | ({"id_token": token} if token else {}))

    def _answer(self, told: dict[str, Any]) -> None:
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def liar() -> Iterator[Liar]:
    server = Liar()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def go(browser: Client) -> dict[str, str]:
    """Begin, and return what the provider is asked with."""
    sent = browser.post(f"/login/outside/{ID}", {"next": "/account/sessions"})
    assert sent.status_code == 302
    return {name: values[0] for name, values in parse_qs(urlsplit(sent["Location"]).query).items()}


def come_back(browser: Client, liar: Liar, asked: dict[str, str], change: Change = dict, **more: Any) -> Any:
    now = int(time.time())
    claims = {"iss": liar.issuer, "aud": "tuetinh", "sub": "id-lan", "iat": now, "exp": now + 60}
    claims = change(claims | {"nonce": asked["nonce"]})
    header, key = {"alg": "RS256", "kid": "k"} | more.get("header", {}), more.get("key", KEY)
    liar.token = lambda: jwt.encode(header, claims, key, algorithms=["RS256", "HS256"])
    query = {"code": "c", "state": asked["state"]} | more.get("query", {})
    return browser.get(f"/login/outside/{ID}/back", query)


@pytest.fixture
def linked(liar: Liar, cast: dict[str, Account]) -> Liar:
    make(cast, liar.issuer)
    Link.objects.create(provider_id=ID, value="id-lan", account=cast["doctor"])
    return liar


def test_what_is_sent_and_asked(linked: Liar) -> None:
    browser = Client()
    asked = go(browser)
    assert (asked["response_type"], asked["scope"], asked["client_id"]) == ("code", "openid profile", "tuetinh")
    assert (asked["code_challenge_method"], len(asked["code_challenge"])) == ("S256", 43)
    assert len(asked["state"]) >= 20
    assert len(asked["nonce"]) >= 20
    assert come_back(browser, linked, asked)["Location"] == "/account/sessions"
    assert linked.sent["redirect_uri"] == [f"http://testserver/login/outside/{ID}/back"]
    assert len(linked.sent["code_verifier"][0]) >= 43
    assert is_in(browser)


def without(name: str) -> Change:
    return lambda claims: {key: value for key, value in claims.items() if key != name}


@pytest.mark.parametrize(
    ("change", "more"),
    [
        (lambda claims: claims | {"iss": "http://elsewhere.example"}, {}),
        (lambda claims: claims | {"aud": "another"}, {}),
        (lambda claims: claims | {"aud": "another", "azp": "tuetinh"}, {}),
        (lambda claims: claims | {"aud": ["tuetinh", "another"]}, {}),
        (lambda claims: claims | {"azp": "another"}, {}),
        (lambda claims: claims | {"nonce": "another"}, {}),
        (lambda claims: claims | {"exp": int(time.time()) - 120}, {}),
        (lambda claims: claims | {"iat": int(time.time()) + 600}, {}),
        (lambda claims: claims | {"sub": ""}, {}),
        (lambda claims: claims | {"sub": 7}, {}),
        (lambda claims: claims | {"sub": "id-lan\0"}, {}),
        (without("sub"), {}),
        (without("iss"), {}),
        (without("aud"), {}),
        (without("exp"), {}),
        (without("nonce"), {}),
        (dict, {"key": OTHER}),
        (dict, {"header": {"alg": "HS256"}, "key": OctKey.import_key(SECRET)}),
        (dict, {"query": {"state": "another"}}),
        (dict, {"query": {"state": ""}}),
        (dict, {"query": {"iss": "http://elsewhere.example"}}),
        (dict, {"query": {"error": "access_denied"}}),
    ],
)
def test_lies_are_not_believed(linked: Liar, cast: dict[str, Account], change: Change, more: dict[str, Any]) -> None:
    browser = Client()
    answer = come_back(browser, linked, go(browser), change, **more)
    assert (answer.status_code, "Chưa đăng nhập được" in answer.content.decode()) == (403, True)
    assert not is_in(browser)
    assert Account.objects.get(role="doctor").last_login is None
    assert AccountEvent.objects.count() == 0


@pytest.mark.parametrize("token", [None, "", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."])
def test_no_token_is_no_login(linked: Liar, token: str | None) -> None:
    browser = Client()
    asked = go(browser)
    linked.token = lambda: token
    answer = browser.get(f"/login/outside/{ID}/back", {"code": "c", "state": asked["state"]})
    assert answer.status_code == 403
    assert not is_in(browser)


def test_an_answer_is_good_for_once_and_for_one_browser(linked: Liar) -> None:
    browser, thief = Client(), Client()
    asked = go(browser)
    assert come_back(thief, linked, asked).status_code == 403
    assert come_back(browser, linked, asked).status_code == 302
    browser.post("/logout")
    assert come_back(browser, linked, asked).status_code == 403


def test_metadata_of_another_issuer_are_not_believed(linked: Liar, cast: dict[str, Account]) -> None:
    linked.metadata["issuer"] = "http://elsewhere.example"
    assert Client().post(f"/login/outside/{ID}").status_code == 403


def test_provider_that_is_away_is_told(cast: dict[str, Account]) -> None:
    make(cast, f"http://127.0.0.1:{free_port()}")
    assert Client().post(f"/login/outside/{ID}").status_code == 403
    assert Client().post("/login/outside/nowhere").status_code == 404


def test_next_never_leaves_the_house(linked: Liar) -> None:
    browser = Client()
    sent = browser.post(f"/login/outside/{ID}", {"next": "https://evil.example/"})
    asked = {name: values[0] for name, values in parse_qs(urlsplit(sent["Location"]).query).items()}
    assert come_back(browser, linked, asked)["Location"] == "/"


# -- who that is here -------------------------------------------------------------------------------------------------


def test_nobody_is_found_by_mail_or_by_a_name_that_was_not_configured(liar: Liar, cast: dict[str, Account]) -> None:
    provider = make(cast, liar.issuer)
    claims = {"sub": "cast.doctor", "email": "cast.doctor", "preferred_username": "cast.doctor"}
    with pytest.raises(who.AccessError):
        who.find(provider, claims)
    provider = make(cast, liar.issuer, claim="preferred_username", by_username=True)
    assert who.find(provider, claims) == cast["doctor"]


@pytest.mark.parametrize("role", ["outsider", "citizen"])
def test_a_facilitys_provider_is_for_its_accounts_only(liar: Liar, cast: dict[str, Account], role: str) -> None:
    provider = make(cast, liar.issuer, claim="preferred_username", by_username=True)
    provider.facility = "12104"
    with pytest.raises(who.AccessError):
        who.find(provider, {"preferred_username": f"cast.{role}"})
    Account.objects.filter(role="doctor").update(is_active=False)
    with pytest.raises(who.AccessError):
        who.find(provider, {"preferred_username": "cast.doctor"})


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["duoc"], "pharmacist"),
        ("duoc", "pharmacist"),
        (["duoc", "x"], "pharmacist"),
        (["duoc", "xet-nghiem"], "nurse"),
        (["quan-tri"], "nurse"),
        (["so"], "nurse"),
        ([], "nurse"),
        (None, "nurse"),
        ([7, {"a": "b"}], "nurse"),
    ],
)
def test_a_role_comes_from_the_administrators_table_only(
    liar: Liar, cast: dict[str, Account], groups: object, role: str
) -> None:
    table = {"duoc": "pharmacist", "xet-nghiem": "lab", "quan-tri": "admin", "so": "official"}
    claims = {"sub": "id-lan", "groups": groups, "role": "admin"}
    provider = make(cast, liar.issuer, roles=table)
    Provider.objects.update(facility="12104")
    Link.objects.create(provider=provider, value="id-lan", account=cast["nurse"])
    assert who.find(provider, claims).role == "nurse", "no claim is named"
    provider = make(cast, liar.issuer, roles=table, role_claim="groups")
    assert who.find(provider, claims).role == role
    assert [event.what for event in AccountEvent.objects.all()] == ["role_mapped"] * (role != "nurse")


def test_who_has_a_second_factor_here_is_asked_for_it_unless_the_provider_did(
    linked: Liar, cast: dict[str, Account]
) -> None:
    told = actions.added(cast["doctor"], "totp_added")
    browser = Client()
    assert come_back(browser, linked, go(browser))["Location"] == "/login/second"
    assert not is_in(browser)
    assert browser.post("/login/second", {"code": told[0]})["Location"] == "/account/sessions"
    Provider.objects.update(is_strong=True)
    second = Client()
    assert come_back(second, linked, go(second))["Location"] == "/account/sessions"


def test_whoever_comes_from_outside_needs_no_first_password(linked: Liar, cast: dict[str, Account]) -> None:
    Account.objects.filter(role="doctor").update(must_change_password=True)
    browser = Client()
    come_back(browser, linked, go(browser))
    account = Account.objects.get(role="doctor")
    assert (account.has_usable_password(), account.must_change_password) == (False, False)
    assert browser.get("/clinic").status_code == 200
    assert Client().post("/login", {"username": "cast.doctor", "password": PASSWORD}).status_code == 200


# -- administrators ---------------------------------------------------------------------------------------------------

FORM = {
    "id": ID, "name": "Sở", "issuer": "https://id.example.vn/", "client_id": "tuetinh", "secret": SECRET,
    "claim": "sub", "role_claim": "groups", "roles": "duoc = pharmacist\nbac=si = doctor", "is_active": "on",
}  # fmt: skip


def test_made_by_an_administrator(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    browser = as_role("admin")
    assert browser.post("/accounts/providers/new", FORM)["Location"] == "/accounts/providers"
    kept = Provider.objects.get()
    assert (kept.facility, kept.issuer) == ("12104", "https://id.example.vn")
    assert kept.roles == {"duoc": "pharmacist", "bac=si": "doctor"}
    assert SECRET.encode() not in bytes(kept.secret)
    page = browser.get(f"/accounts/providers/{ID}").content.decode()
    assert SECRET not in page
    assert f"http://testserver/login/outside/{ID}/back" in page
    browser.post(f"/accounts/providers/{ID}", FORM | {"secret": "", "name": "Tên mới"})
    assert Provider.objects.get().name == "Tên mới"
    assert bytes(Provider.objects.get().secret) == bytes(kept.secret)
    assert browser.post("/accounts/providers/new", FORM).status_code == 422
    assert "Đăng nhập bằng Tên mới" in Client().get("/login").content.decode()


@pytest.mark.parametrize(
    "change",
    [
        {"claim": "email"},
        {"claim": "verified_email"},
        {"issuer": "http://id.example.vn"},
        {"issuer": "https://user:pass@id.example.vn"},
        {"issuer": "javascript:alert(1)"},
        {"roles": "duoc = admin"},
        {"roles": "duoc = official"},
        {"roles": "duoc = citizen"},
        {"roles": "duoc"},
        {"id": "Sở"},
        {"client_id": ""},
    ],
)
def test_what_is_not_safe_is_not_kept(
    as_role: Callable[[str], Client], cast: dict[str, Account], change: dict[str, str]
) -> None:
    assert as_role("admin").post("/accounts/providers/new", FORM | change).status_code == 422
    assert not Provider.objects.exists()


def own_provider(cast: dict[str, Account], issuer: str, **more: Any) -> Provider:
    """A provider of the health centre, made by its administrator."""
    providers._parties.clear()
    fields = {"name": "Tự lập", "issuer": issuer, "client_id": "tuetinh", **more}
    return administering.save(cast["admin"], ID, fields, SECRET)


def test_another_facilitys_provider_and_accounts_are_out_of_reach(
    as_role: Callable[[str], Client], cast: dict[str, Account]
) -> None:
    own = own_provider(cast, "https://id.example.vn")
    xa = Provider.objects.create(id="xa", name="Xa", facility="12001", issuer="https://x.example", client_id="x")
    Link.objects.create(provider=xa, value="a", account=cast["outsider"])
    before = list(Provider.objects.order_by("pk").values())
    browser = as_role("admin")
    assert browser.post("/accounts/providers/xa", FORM | {"id": "xa"}).status_code == 403
    assert browser.post(f"/accounts/{cast['outsider'].pk}/link", {"provider": own.pk}).status_code == 403
    assert browser.post(f"/accounts/{cast['doctor'].pk}/link", {"provider": "xa"}).status_code == 403
    with pytest.raises(who.AccessError):
        administering.save(cast["doctor"], "moi", {"name": "x"}, "")
    assert list(Provider.objects.order_by("pk").values()) == before
    assert Link.objects.count() == 1


def test_a_facility_cannot_make_a_provider_that_is_believed_beyond_its_word(
    liar: Liar, as_role: Callable[[str], Client], cast: dict[str, Account]
) -> None:
    for name in ("is_strong", "by_username"):
        with pytest.raises(who.AccessError) as refused:
            own_provider(cast, liar.issuer, **{name: True})
        assert refused.value.code == "province"
    assert not Provider.objects.exists()
    as_role("admin").post("/accounts/providers/new", FORM | {"is_strong": "on", "by_username": "on"})
    kept = Provider.objects.get()
    assert (kept.facility, kept.is_strong, kept.by_username) == ("12104", False, False)


def test_an_administrator_links_no_account_of_others(
    liar: Liar, as_role: Callable[[str], Client], cast: dict[str, Account]
) -> None:
    own_provider(cast, liar.issuer)
    as_role("admin").post(f"/accounts/{cast['doctor'].pk}/link", {"provider": ID, "value": "id-lan"})
    assert not Link.objects.exists()
    browser = Client()
    assert come_back(browser, liar, go(browser)).status_code == 403
    assert not Session.objects.filter(account=cast["doctor"]).exists()


def test_a_provider_of_a_facility_passes_no_second_factor(liar: Liar, cast: dict[str, Account]) -> None:
    provider = own_provider(cast, liar.issuer)
    Provider.objects.update(is_strong=True)  # from before only the province could say so
    administering.link(cast["doctor"], provider, "id-lan")
    actions.added(cast["doctor"], "totp_added")
    browser = Client()
    assert come_back(browser, liar, go(browser))["Location"] == "/login/second"
    assert not is_in(browser)


def test_links_end_with_what_they_rest_on(liar: Liar, cast: dict[str, Account]) -> None:
    administering.link(cast["doctor"], own_provider(cast, liar.issuer), "id-lan")
    own_provider(cast, liar.issuer, name="Tên mới")
    assert Link.objects.count() == 1
    own_provider(cast, "https://evil.example")
    assert not Link.objects.exists()


def test_one_links_the_own_account_after_the_own_login(
    liar: Liar, as_role: Callable[[str], Client], cast: dict[str, Account]
) -> None:
    make(cast, liar.issuer)
    for role, status in (("doctor", 302), ("nurse", 403)):
        browser = as_role(role)
        sent = browser.post(f"/login/outside/{ID}/link")
        asked = {name: values[0] for name, values in parse_qs(urlsplit(sent["Location"]).query).items()}
        assert asked["prompt"] == "login"
        assert come_back(browser, liar, asked).status_code == status, "one person outside is one account here"
    assert Link.objects.get().account == cast["doctor"]
    assert "Đã nối" in as_role("doctor").get("/account/security").content.decode()
    as_role("admin").post(f"/accounts/{cast['doctor'].pk}/link", {"provider": ID})
    assert not Link.objects.exists()
    assert [event.what for event in AccountEvent.objects.order_by("pk")] == ["linked", "unlinked"]


def test_only_where_one_could_come_from_one_links(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    Provider.objects.create(id="xa", name="Xa", facility="12001", issuer="https://x.example", client_id="x")
    assert as_role("doctor").post("/login/outside/xa/link").status_code == 404
    session = (browser := as_role("doctor")).session
    session["proved"] = 1
    session.save()
    assert browser.post("/login/outside/xa/link").status_code == 403
