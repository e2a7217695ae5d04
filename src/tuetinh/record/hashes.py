"""The 64-bit hashes that stand in the `tokens` column.

Each token, reference and uri value of a resource is stored as the hash of its parameter's name and its parts. A search
hashes what it looks for in the same way, so that every such parameter is answered by one GIN index. A wrong hit needs a
collision within one resource type with the very value asked for: at 10^9 distinct values about 5 in 10^11 searches.

`record.token_hash(text)` is the same in SQL, for searches over references that are worked out row by row.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256


@lru_cache(maxsize=65536)
def token_hash(*parts: str) -> int:
    """Hash the parts (parameter name first) to a signed 64-bit integer."""
    return int.from_bytes(sha256("\x1f".join(parts).encode()).digest()[:8], "big", signed=True)
