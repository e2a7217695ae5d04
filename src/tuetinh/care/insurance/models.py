"""What is no clinical fact: the facilities' accounts at the gateway, and the cards that the simulated gateway knows."""

from __future__ import annotations

from django.db import models


class GatewayAccount(models.Model):
    """A facility's account. `secret` is the MD5 form of the password, encrypted with the node's key."""

    facility = models.CharField(max_length=64, primary_key=True)
    username = models.CharField(max_length=100)
    secret = models.BinaryField()
    officer = models.CharField(max_length=200, blank=True)
    officer_cccd = models.CharField(max_length=12, blank=True)


class SimulatedCard(models.Model):
    """A card of the demo province, as the simulated gateway answers for it. Dates ISO; result forces an answer."""

    number = models.CharField(max_length=15, primary_key=True)
    bhxh = models.CharField(max_length=10, db_index=True)
    cccd = models.CharField(max_length=12, blank=True, db_index=True)
    name = models.CharField(max_length=200)
    birth = models.CharField(max_length=10)
    gender = models.CharField(max_length=10, blank=True)
    address = models.CharField(max_length=500, blank=True)
    facility = models.CharField(max_length=5, blank=True)
    valid_from = models.CharField(max_length=10)
    valid_to = models.CharField(max_length=10)
    area = models.CharField(max_length=2, blank=True)
    five_years = models.CharField(max_length=10, blank=True)
    result = models.CharField(max_length=3, blank=True)
    replaced_by = models.CharField(max_length=15, blank=True)
