"""The account of a facility at the gateway and the certificate that it signs with, for its administrator."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from tuetinh.care.insurance import actions
from tuetinh.care.insurance.errors import BadKeyFile, InsuranceError
from tuetinh.care.insurance.models import GatewayAccount
from tuetinh.care.insurance.sending.elsewhere import OnToken, Remote, modules, services
from tuetinh.care.insurance.sending.signing import Key, open_elsewhere, open_key
from tuetinh.commons.access.api import asker, desk, fresh

LARGEST = 64_000  # bytes of a key file


class AccountForm(forms.Form):
    """Name and password at the gateway, and who asks it about cards. A blank password leaves the one that is kept."""

    username = forms.CharField(label=gettext_lazy("Tài khoản"), max_length=100)
    password = forms.CharField(
        label=gettext_lazy("Mật khẩu"), max_length=100, required=False, strip=False, widget=forms.PasswordInput
    )
    officer = forms.CharField(label=gettext_lazy("Cán bộ tra cứu"), max_length=200, required=False)
    officer_cccd = forms.RegexField("[0-9]{12}", label=gettext_lazy("Số căn cước của cán bộ"), required=False)


class KeyForm(forms.Form):
    """The PKCS#12 file of a certificate, and its password."""

    file = forms.FileField(label=gettext_lazy("Tệp chứng thư số (.p12, .pfx)"))
    password = forms.CharField(
        label=gettext_lazy("Mật khẩu của tệp"), max_length=100, required=False, strip=False, widget=forms.PasswordInput
    )

    def key(self) -> Key:
        """What the file holds. Raises BadKeyFile."""
        file = self.cleaned_data["file"]
        if file.size > LARGEST:
            raise BadKeyFile
        return open_key(file.read(), self.cleaned_data["password"])


def _secret(label: Any, *, required: bool = True) -> forms.CharField:
    return forms.CharField(label=label, max_length=200, required=required, strip=False, widget=forms.PasswordInput)


class TokenForm(forms.Form):
    """A key in a token or security module of the node (PKCS#11)."""

    module = forms.ChoiceField(label=gettext_lazy("Thư viện của thiết bị (PKCS#11)"))
    token = forms.CharField(label=gettext_lazy("Tên thiết bị"), max_length=100)
    label = forms.CharField(label=gettext_lazy("Tên khóa"), max_length=100)
    pin = _secret(gettext_lazy("Mã PIN"))

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        cast(forms.ChoiceField, self.fields["module"]).choices = [(one, one) for one in modules()]

    def key(self) -> Key:
        """The key of the token. Raises BadKeyFile, KeyRefused, SignerAway."""
        return open_elsewhere(OnToken(**self.cleaned_data))


class RemoteForm(forms.Form):
    """A key with a signing service (CSC)."""

    address = forms.ChoiceField(label=gettext_lazy("Dịch vụ ký số từ xa (CSC)"))
    account = forms.CharField(label=gettext_lazy("Tài khoản"), max_length=200, required=False)
    password = _secret(gettext_lazy("Mật khẩu"), required=False)
    credential = forms.CharField(label=gettext_lazy("Mã chứng thư (credentialID)"), max_length=200)
    pin = _secret(gettext_lazy("Mã PIN"), required=False)

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        cast(forms.ChoiceField, self.fields["address"]).choices = [(one, one) for one in services()]

    def key(self) -> Key:
        """The key of the credential. Raises BadKeyFile, KeyRefused, SignerAway."""
        return open_elsewhere(Remote(**self.cleaned_data))


PLACES: dict[str, type[KeyForm | TokenForm | RemoteForm]] = {"key": KeyForm, "token": TokenForm, "remote": RemoteForm}


@fresh("rules")
@desk("admin", at="facility")
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("password")
@never_cache
def account(request: HttpRequest) -> HttpResponse:
    """Show and change the account of the facility."""
    known = _known(request)
    if request.method != "POST":
        return _page(request, known, AccountForm(initial=_initial(known)))
    form = AccountForm(request.POST)
    if form.is_valid() and known is None and not form.cleaned_data["password"]:
        form.add_error("password", _("Ghi mật khẩu của tài khoản."))
    if not form.is_valid():
        return _page(request, known, form, status=422)
    told = form.cleaned_data
    officer = {"officer": told["officer"], "officer_cccd": told["officer_cccd"]}
    if told["password"]:
        actions.set_account(_here(request), told["username"], told["password"], **officer)
    else:
        GatewayAccount.objects.filter(facility=_here(request)).update(username=told["username"], **officer)
    messages.success(request, _("Đã lưu tài khoản cổng giám định."))
    return redirect("insurance:account")


@fresh("rules")
@desk("admin", at="facility")
@require_POST
@sensitive_post_parameters()
def key(request: HttpRequest) -> HttpResponse:
    """Take what the facility signs with: a file, or `place` where the key is."""
    known, place = _known(request), request.POST.get("place", "key")
    place = place if place in PLACES else "key"
    form = PLACES[place](request.POST, request.FILES, prefix=place)
    if known is None or not form.is_valid():
        return _page(request, known, AccountForm(initial=_initial(known)), keys={place: form}, status=422)
    try:
        found = form.key()
    except InsuranceError as error:
        form.add_error("file" if place == "key" else "pin", str(error))
        return _page(request, known, AccountForm(initial=_initial(known)), keys={place: form}, status=422)
    actions.set_key(_here(request), found)
    messages.success(request, _("Hồ sơ từ nay được ký bằng chứng thư này."))
    return redirect("insurance:account")


def _page(
    request: HttpRequest,
    known: GatewayAccount | None,
    form: AccountForm,
    *,
    keys: dict[str, forms.Form] | None = None,
    status: int = 200,
) -> HttpResponse:
    shown = {place: (keys or {}).get(place) or kind(prefix=place) for place, kind in PLACES.items()}
    context = {"known": known, "form": form, "keys": shown, "modules": modules(), "services": services()}
    return render(request, "insurance/account.html", context, status=status)


def _known(request: HttpRequest) -> GatewayAccount | None:
    return GatewayAccount.objects.filter(facility=_here(request)).first()


def _initial(known: GatewayAccount | None) -> dict[str, Any]:
    return {name: getattr(known, name) for name in ("username", "officer", "officer_cccd")} if known else {}


def _here(request: HttpRequest) -> str:
    """The facility of the administrator."""
    return asker(request).facility
