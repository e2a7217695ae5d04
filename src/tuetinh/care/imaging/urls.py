"""Addresses of imaging's pages."""

from __future__ import annotations

from django.urls import path

from tuetinh.care.imaging import exam_pages, pages
from tuetinh.care.imaging.viewer.pages import viewer

app_name = "imaging"
urlpatterns = [
    path("imaging", exam_pages.worklist, name="worklist"),
    path("imaging/exams/<int:exam_id>", exam_pages.exam, name="exam"),
    path("imaging/exams/<int:exam_id>/plan", exam_pages.plan, name="plan"),
    path("imaging/exams/<int:exam_id>/begin", exam_pages.begin, name="begin"),
    path("imaging/exams/<int:exam_id>/finish", exam_pages.finish, name="finish"),
    path("imaging/exams/<int:exam_id>/write", exam_pages.write, name="write"),
    path("imaging/exams/<int:exam_id>/sign", exam_pages.sign, name="sign"),
    path("imaging/exams/<int:exam_id>/report.pdf", exam_pages.report, name="report"),
    path("imaging/viewer", viewer, name="viewer"),
    path("imaging/waiting", pages.waiting, name="waiting"),
    path("imaging/waiting/<int:held_id>", pages.held, name="held"),
    path("imaging/studies/<int:study_id>/patient", pages.whose, name="whose"),
    path("imaging/devices", pages.device_list, name="devices"),
    path("imaging/devices/new", pages.new_device, name="new-device"),
    path("imaging/devices/<int:device_id>", pages.device, name="device"),
]
