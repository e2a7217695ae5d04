"""Login with an account of an outside identity provider (OpenID Connect Core 1.0, code flow with PKCE).

`providers` speaks to them, `who` finds whose account it is here, `administering` is what administrators decide.
"""
