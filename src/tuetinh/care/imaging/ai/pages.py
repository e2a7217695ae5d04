"""Pages of the models: which there are and how they do, and what a reader thinks of a result."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from tuetinh.care.imaging.ai import opinions, queries
from tuetinh.care.imaging.errors import BadModel, ImagingError, NotThere
from tuetinh.commons.access.api import asker, desk


class ModelForm(forms.Form):
    """A model to bring."""

    file = forms.FileField(
        label=gettext_lazy("Tệp mô hình (.zip)"),
        help_text=gettext_lazy("Gồm model.json và model.onnx, không quá 30 MB; lớn hơn do người quản máy chủ đưa vào."),
    )


@desk("admin", "imaging")
@require_http_methods(["GET", "POST"])
@never_cache
def models(request: HttpRequest) -> HttpResponse:
    """The models with their numbers in use; POST brings a version of one, as an administrator."""
    me = asker(request)
    form = ModelForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        from tuetinh.care.imaging.ai.bringing import bring

        try:
            model = bring(me, form.cleaned_data["file"])
        except BadModel as error:
            form.add_error("file", str(error))
        except ImagingError as error:
            form.add_error(None, str(error))
        else:
            told = {"model": f"{model.text} {model.version}"}
            messages.success(request, _("Đã thêm %(model)s; bật ở trang Quy tắc.") % told)
            return redirect("imaging:ai")
    context = {"rows": queries.in_use(me), "form": form, "may": me.role == "admin"}
    return render(request, "imaging/ai_models.html", context, status=422 if request.method == "POST" else 200)


@desk("imaging")
@require_POST
def judge(request: HttpRequest, result_id: int) -> HttpResponse:
    """Agree or disagree (`agrees`) with a result; back to the page of ours that asked (`back`)."""
    try:
        opinions.judge(asker(request), result_id, agrees=request.POST.get("agrees") == "1")
    except NotThere as error:
        raise Http404 from error
    messages.success(request, _("Đã ghi nhận xét về gợi ý của máy."))
    back = request.POST.get("back", "")
    return redirect(back if url_has_allowed_host_and_scheme(back, None) else "imaging:read")
