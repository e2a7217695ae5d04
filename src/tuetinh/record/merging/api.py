"""What other modules may call of merging: the steps, the ledger, and rows that follow."""

from __future__ import annotations

from tuetinh.record.merging.followers import Follower
from tuetinh.record.merging.followers import register as register_follower
from tuetinh.record.merging.ledger import Merge, became, by_ids, latest
from tuetinh.record.merging.merge import Outcome, merge, preview
from tuetinh.record.merging.unmerge import unmerge

__all__ = [
    "Follower",
    "Merge",
    "Outcome",
    "became",
    "by_ids",
    "latest",
    "merge",
    "preview",
    "register_follower",
    "unmerge",
]
