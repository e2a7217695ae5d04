"""Django application of the access module."""

from __future__ import annotations

from django.apps import AppConfig


class AccessConfig(AppConfig):
    """Named `access`, so that the account model is `access.Account`."""

    name = "tuetinh.commons.access"
    label = "access"

    def ready(self) -> None:
        """Tell the record what an owner of a subscription may see; follow merged people; keep relations and labels."""
        from tuetinh.commons.access.oauth.standing import now
        from tuetinh.commons.access.sight import consents, guarding, labelled, relations
        from tuetinh.commons.messages.api import register_channel
        from tuetinh.record import projections
        from tuetinh.record.api import Follower, register_follower, register_guard
        from tuetinh.record.subscriptions import api as subscriptions

        subscriptions.register_owners(now)
        register_channel("glass", "admin")
        register_follower(Follower("access_account"))
        register_follower(Follower("access_grant"))
        register_follower(Follower("access_glass", relation="Glass"))
        register_follower(Follower("access_guardianship", "ward", clash="s.accepted IS NULL AND t.accepted IS NULL"))
        register_follower(Follower("access_guardianship", "carer", clash="s.accepted IS NULL AND t.accepted IS NULL"))
        labelled.register()
        for type_ in relations.TYPES:
            projections.register(type_, relations.follow)
        projections.register("Consent", consents.follow)
        register_guard("Consent", guarding.Guard("Consent", guarding.opens_or_shuts))
        register_guard("RelatedPerson", guarding.Guard("RelatedPerson", guarding.ties))
