"""Backups of a node, on the desk of whoever keeps it.

Two kinds. The *archive* (`TUETINH_BACKUP`, a folder or an S3 bucket) follows the node: base backups, every byte of the
write-ahead log, every content, each encrypted to an age recipient before it leaves the machine; any moment of it can be
restored. The *portable file* is one moment in one file, which goes into any PostgreSQL that the node can use.

`archive` names what lies where, `place` is where, `sealing` encrypts; `wire_replication` and `follow` bring the log
over as it is written, `base` makes base backups, `recover` restores, `drill` proves it, `retention` forgets.
"""
