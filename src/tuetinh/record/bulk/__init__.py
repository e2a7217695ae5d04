"""Bulk data: `$export` (FHIR Bulk Data Access 2.0) and `$import` (the bulk import draft), as jobs in the background.

`asking` reads what is asked, `ledger` keeps the jobs in PostgreSQL, `files` their files in the data folder, `export`
and `importing` do the work in turns, `fetching` brings files of others, and `running` takes a job up where it stands.
"""
