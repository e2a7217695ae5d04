"""The 64-bit hashes that stand in the `tokens` column.

Each token, reference and uri value of a resource is stored as the hash of its parameter's name and its parts. A search
hashes what it looks for in the same way, so that every such parameter is answered by one GIN index. A wrong hit needs a
collision within one resource type with the very value asked for: at 10^9 distinct values about 5 in 10^11 searches.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b


@lru_cache(maxsize=65536)
def token_hash(*parts: str) -> int:
    """Hash the parts (parameter name first) to a signed 64-bit integer."""
    digest = blake2b("\x1f".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
