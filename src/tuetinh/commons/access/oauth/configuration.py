"""What the node says of itself to apps (SMART App Launch 2, conformance; OpenID Connect Discovery)."""

from __future__ import annotations

from tuetinh.commons.access.oauth import keys
from tuetinh.commons.access.oauth.clients import ALGORITHMS
from tuetinh.commons.access.oauth.scopes import INTROSPECTION

METHODS = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]


def smart_configuration(base: str) -> dict[str, object]:
    """The SMART configuration of a node at this address, also served below `/fhir`."""
    return {
        "issuer": base,
        "jwks_uri": f"{base}/oauth/jwks",
        "authorization_endpoint": f"{base}/oauth/authorize",
        "token_endpoint": f"{base}/oauth/token",
        "token_endpoint_auth_methods_supported": METHODS,
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
        "scopes_supported": [
            *("openid", "fhirUser", "profile", "launch", "launch/patient", "offline_access", "online_access"),
            INTROSPECTION,
            *(f"{level}/*.{letters}" for level in ("patient", "user", "system") for letters in ("cruds", "rs")),
        ],
        "response_types_supported": ["code"],
        "introspection_endpoint": f"{base}/oauth/introspect",
        "revocation_endpoint": f"{base}/oauth/revoke",
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "capabilities": [
            *("launch-ehr", "launch-standalone", "client-public", "client-confidential-symmetric"),
            *("client-confidential-asymmetric", "sso-openid-connect", "context-banner", "context-ehr-patient"),
            *("context-ehr-encounter", "context-standalone-patient", "permission-offline", "permission-online"),
            *("permission-patient", "permission-user", "permission-v1", "permission-v2"),
        ],
    }


def openid_configuration(base: str) -> dict[str, object]:
    """The OpenID Connect discovery document."""
    told = smart_configuration(base)
    shared = (
        *("issuer", "jwks_uri", "authorization_endpoint", "token_endpoint", "scopes_supported"),
        *("response_types_supported", "grant_types_supported", "token_endpoint_auth_methods_supported"),
        *("code_challenge_methods_supported", "authorization_response_iss_parameter_supported"),
    )
    return {name: told[name] for name in shared} | {
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [keys.ALGORITHM],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "fhirUser", "name"],
    }
