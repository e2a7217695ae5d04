"""Addresses of the cashier's pages and of the bank's webhook."""

from __future__ import annotations

from django.urls import path

from tuetinh.care.billing import pages

app_name = "billing"
urlpatterns = [
    path("billing", pages.worklist, name="worklist"),
    path("billing/unmatched", pages.unmatched, name="unmatched"),
    path("billing/unmatched/<int:transaction_id>/settle", pages.settle, name="settle"),
    path("billing/webhooks/bank", pages.bank_webhook, name="bank-webhook"),
    path("billing/payments/<int:payment_id>/cancel", pages.cancel, name="cancel"),
    path("billing/payments/<int:payment_id>/receipt.pdf", pages.receipt, name="receipt"),
    path("billing/day", pages.day, name="day"),
    path("billing/day.pdf", pages.day_paper, name="day-paper"),
    path("billing/<str:encounter_id>", pages.bill, name="bill"),
    path("billing/<str:encounter_id>/cash", pages.cash, name="cash"),
    path("billing/<str:encounter_id>/back", pages.give_back, name="give-back"),
    path("billing/<str:encounter_id>/transfer", pages.transfer, name="transfer"),
]
