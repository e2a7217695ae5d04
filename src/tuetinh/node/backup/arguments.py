"""The options of `tuetinh backup` and `tuetinh restore`."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path


def arguments_of_backup(parser: ArgumentParser) -> None:
    """The options of `tuetinh backup`."""
    told = "nothing: a base backup into the archive; list, prune, drill, follow; key FILE; or a FILE: all of it in one"
    parser.add_argument("what", nargs="?", default="", metavar="WHAT", help=told)
    parser.add_argument("file", nargs="?", type=Path, help="key: where the private key is written")
    parser.add_argument("--key", type=Path, help="drill: the file of the private key (TUETINH_BACKUP_KEY)")
    parser.add_argument(
        "--recipient", default="", help="FILE: public keys (age1…, or files of them) of those who may read it"
    )
    parser.add_argument("--plain", action="store_true", help="FILE: anybody who has it may read it")
    parser.add_argument("--dry-run", action="store_true", help="prune: only say what would go")
    parser.add_argument("--quick", action="store_true", help="drill: look at the size of contents only")


def arguments_of_restore(parser: ArgumentParser) -> None:
    """The options of `tuetinh restore`."""
    parser.add_argument("file", nargs="?", type=Path, help="a backup in one file; else from the archive")
    parser.add_argument("--at", default="", metavar="TIME", help="the moment: YYYY-MM-DDThh:mm:ss[+07:00]")
    parser.add_argument("--latest", action="store_true", help="all that the archive has")
    parser.add_argument("--from", dest="place", default="", metavar="PLACE", help="the archive (TUETINH_BACKUP)")
    parser.add_argument("--key", type=Path, help="the file of the private key (TUETINH_BACKUP_KEY)")
    parser.add_argument("--force", action="store_true", help="with a file: replace what is there")
