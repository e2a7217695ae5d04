"""Subscriptions: whoever may see something is told when it changes (FHIR R4, and the Subscriptions R5 Backport).

- `admission`: what a client writes is read (`wanted`), checked, and kept with its owner; `topics`: what topics are.
- `matcher`: one process reads the change feed and writes down which change is an event of which subscription (`match`).
- `couriers`: takes waiting events to their receivers, in order, again and again until they are accepted; `rest_hook`
  and `mail` send them, `notification` words them. `sockets`: the same for clients that hold a websocket.
- `desk`: what administrators see of it and may do.

A worker process runs `service.keep`. Everything is in the database, so any process may die at any moment.
"""

from __future__ import annotations
