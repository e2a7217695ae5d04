"""`tuetinh bench safety`: does the record keep its word while everything around it breaks?

Clients (`work`) read and change a few resources of a running node at the same time, while its processes, its database
and their connections are killed and paused (`faults`). What each was told is kept (`history`), and afterwards it is
checked against the model of a register (`linear`) and against what the record holds (`checks`).
"""

from __future__ import annotations
