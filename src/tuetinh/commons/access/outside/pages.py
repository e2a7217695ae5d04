"""The administrators' pages of outside providers, and of who an account is no longer there."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.validators import RegexValidator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.commons.access.api import desk, fresh
from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.models import Account, Provider
from tuetinh.commons.access.outside import administering
from tuetinh.commons.access.pages import forbidden
from tuetinh.commons.access.queries import grantable
from tuetinh.commons.ui.api import paginate


class ProviderForm(forms.Form):
    """A provider. The redirect address that it must know is shown beside the form."""

    id = forms.CharField(
        label=gettext_lazy("Mã ngắn"),
        max_length=40,
        validators=[RegexValidator(r"^[a-z0-9][a-z0-9-]+$", gettext_lazy("Chữ thường không dấu, số, gạch nối."))],
    )
    name = forms.CharField(label=gettext_lazy("Tên trên nút đăng nhập"), max_length=100)
    issuer = forms.CharField(label=gettext_lazy("Địa chỉ nhà cung cấp (issuer)"), max_length=300)
    client_id = forms.CharField(label=gettext_lazy("Mã của Tuệ Tĩnh ở đó (client_id)"), max_length=200)
    secret = forms.CharField(
        label=gettext_lazy("Mật khẩu của Tuệ Tĩnh ở đó (client_secret)"),
        required=False,
        max_length=500,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Để trống thì giữ mật khẩu đang có."),
    )
    claim = forms.CharField(
        label=gettext_lazy("Thông tin để nhận ra người (claim)"),
        max_length=100,
        initial="sub",
        help_text=gettext_lazy("Phải là mã không đổi và không ai tự sửa được. Không dùng địa chỉ thư."),
    )
    by_username = forms.BooleanField(
        label=gettext_lazy("Thông tin đó chính là tên đăng nhập ở đây"),
        required=False,
        help_text=gettext_lazy("Nếu không, mỗi người tự nối tài khoản của mình."),
    )
    role_claim = forms.CharField(
        label=gettext_lazy("Thông tin về vai trò (claim)"),
        required=False,
        max_length=100,
        help_text=gettext_lazy("Để trống: vai trò chỉ do quản trị đặt ở đây."),
    )
    roles = forms.CharField(
        label=gettext_lazy("Giá trị nào là bàn làm việc nào, mỗi dòng một cặp"),
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("Ví dụ: bac-si = doctor"),
    )
    is_strong = forms.BooleanField(
        label=gettext_lazy("Nhà cung cấp đã xác thực hai bước"),
        required=False,
        help_text=gettext_lazy("Nếu không, ai đã bật hai bước ở đây vẫn được hỏi."),
    )
    is_active = forms.BooleanField(label=gettext_lazy("Đang dùng"), required=False, initial=True)

    def __init__(self, *args: Any, by: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.by = by
        if by.facility:
            for name in ("by_username", "is_strong"):  # only the province vouches for so much
                del self.fields[name]

    def clean_issuer(self) -> str:
        """An address that may be asked."""
        try:
            return administering.check_address(self.cleaned_data["issuer"].strip())
        except ValueError:
            raise forms.ValidationError(_("Địa chỉ phải bắt đầu bằng https://.")) from None

    def clean_claim(self) -> str:
        """Not an address of mail, which people change, and providers do not always check."""
        claim: str = self.cleaned_data["claim"].strip()
        if "email" in claim.lower():
            raise forms.ValidationError(_("Không nhận ra người bằng địa chỉ thư."))
        return claim

    def clean_roles(self) -> dict[str, str]:
        """Values and the roles that they are here; an administrator is made by people only."""
        found = {}
        for line in self.cleaned_data["roles"].splitlines():
            value, _equals, role = (part.strip() for part in line.rpartition("="))
            if not value and not role:
                continue
            if not value or role not in grantable(self.by) or role == "admin":
                text = _("Dòng này không phải “giá trị = bàn làm việc”: %(line)s")
                raise forms.ValidationError(text, params={"line": line[:80]})
            found[value] = role
        return found


@desk("admin")
@require_GET
def all_providers(request: HttpRequest) -> HttpResponse:
    """The providers of the facility, paged."""
    page = paginate(request, administering.administered_providers(_by(request)).order_by("name", "pk"))
    return render(request, "access/providers.html", {"page": page})


@fresh("rules")
@desk("admin")
@never_cache
@sensitive_post_parameters("secret")
@require_http_methods(["GET", "POST"])
def provider(request: HttpRequest, provider_id: str = "") -> HttpResponse:
    """Make a provider, or change one."""
    by = _by(request)
    shown = administering.administered_providers(by).filter(pk=provider_id).first() if provider_id else None
    if provider_id and shown is None:
        return forbidden(request)
    form = ProviderForm(request.POST or None, by=by, initial=_initial(shown) if shown else None)
    if shown:
        form.fields["id"].disabled = True
    if request.method == "POST" and form.is_valid():
        fields = dict(form.cleaned_data)
        id_, secret = fields.pop("id"), fields.pop("secret")
        if not shown and Provider.objects.filter(pk=id_).exists():
            form.add_error("id", _("Mã này đã có nhà cung cấp khác dùng."))
        else:
            administering.save(by, id_, fields, secret)
            messages.success(request, _("Đã lưu nhà cung cấp."))
            return redirect("access:providers")
    back = request.build_absolute_uri(reverse("access:outside-back", args=[provider_id])) if shown else ""
    context = {"form": form, "shown": shown, "back": back}
    return render(request, "access/provider.html", context, status=422 if request.method == "POST" else 200)


@fresh("rules")
@desk("admin")
@require_POST
def unlink(request: HttpRequest, account_id: int) -> HttpResponse:
    """End who an account is at a `provider`."""
    try:
        administering.unlink(_by(request), account_id, request.POST.get("provider", ""))
    except AccessError:
        return forbidden(request)
    messages.success(request, _("Đã bỏ nối tài khoản."))
    return redirect("access:account", account_id)


def _initial(shown: Provider) -> dict[str, Any]:
    fields = {name: getattr(shown, name) for name in ProviderForm.base_fields if name not in ("secret", "roles")}
    return fields | {"roles": "\n".join(f"{value} = {role}" for value, role in shown.roles.items())}


def _by(request: HttpRequest) -> Account:
    return request.user  # type: ignore[return-value]
