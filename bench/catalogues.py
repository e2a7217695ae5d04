"""Print what the catalogues cost: time of the first and of later type-aheads, memory. `python bench/catalogues.py`."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from statistics import median
from time import perf_counter

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tuetinh.node.settings")


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _milliseconds(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return (perf_counter() - start) * 1000


def main() -> None:
    """Measure each catalogue."""
    django.setup()
    from tuetinh.commons.catalogues import api

    typed = [
        "tang huyet ap",
        "tieu duong",
        "viem phoi",
        "b",
        "benh",
        "khong dac hieu",
        "tang huyet sp",
        "viem gan b",
        "dau lung",
    ]
    searches: dict[str, Callable[[str], object]] = {
        "icd10": api.search_icd10,
        "services": api.search_services,
        "drugs": api.search_drugs,
        "communes": api.communes,
        "addresses": api.parse_address,
    }
    for name, search in searches.items():
        before = _megabytes()
        first = _milliseconds(lambda search=search: search(typed[0]))  # type: ignore[misc]
        later = [_milliseconds(lambda search=search, text=text: search(text)) for text in typed for _ in range(5)]  # type: ignore[misc]
        print(
            f"{name:10} first {first:6.1f} ms   later median {median(later):5.2f} ms, worst {max(later):5.2f} ms"
            f"   +{_megabytes() - before:5.1f} MB"
        )


if __name__ == "__main__":
    main()
