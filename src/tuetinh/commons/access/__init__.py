"""Accounts, roles and facilities: who sits at which desk, and what that desk may see. For everyone and administrators.

Speaks OAuth 2.0 (client credentials) at `/oauth/token`.
"""
