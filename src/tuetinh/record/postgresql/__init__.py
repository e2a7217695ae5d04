"""What the record asks of PostgreSQL: a role that its row policies bind, and a Django backend that knows of them."""

from __future__ import annotations
