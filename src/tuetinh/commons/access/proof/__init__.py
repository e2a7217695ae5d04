"""How people prove who they are: password and its rules, second factors, passkeys, and proving it again.

`policy` is what administrators decide, `codes` and `passkeys` are the second factors, `entering` lets in, `fresh` asks
again before what matters.
"""
