"""Turn public key files, and ssh's allowed_signers, into key records that hold (approval-format.md §4.3)."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from peergate.approval.keys import KeyProblem, read_public_key
from peergate.approval.sshsig import NAMESPACE, SIGNATURE_ALGORITHMS
from peergate.cli.manifest import read_bytes
from peergate.cli.text import visible
from peergate.errors import CommandError
from peergate.model.approver import KeyRecord
from peergate.model.names import JsonObject
from peergate.model.wire import format_instant

__all__ = ["checked_id", "records_of_allowed_signers", "records_of_file"]

_PEM_START: Final = "-----BEGIN PUBLIC KEY-----"
_TIMES: Final = ("%Y%m%d", "%Y%m%d%H%M", "%Y%m%d%H%M%S")
_NO_SUCH_KIND: Final = "holds no key of the type"
_REFUSED: Final = 3
_WORD: Final = re.compile(r'(?:[^\s"]|"[^"]*")+')
_OPTION: Final = re.compile(r'([A-Za-z-]+)(?:=(?:"([^"]*)"|([^,"]*)))?(?:,|$)')
_KNOWN_OPTIONS: Final = frozenset({"cert-authority", "namespaces", "valid-after", "valid-before"})


def records_of_file(path: str, *, rsa: str) -> list[JsonObject]:
    """Return the key records in a file, at least one: a PEM public key, or OpenSSH lines.

    ``rsa`` (``pkcs1`` or ``pss``) says how an RSA key in PEM signs; a PEM does not tell.
    Errors: CommandError: exit code 2 for what is no public key, 3 for one that must not be used.
    """
    text = _text(path)
    if "PRIVATE KEY" in text:
        raise CommandError(
            f"{visible(path)} is a private key; only public keys are registered; name the .pub file "
            "(ssh-keygen -y -f KEY, or openssl pkey -pubout)",
            exit_code=2,
        )
    if text.lstrip().startswith("-----"):
        return [_pem_record(text, path=path, rsa=rsa)]
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise CommandError(f"no key in {visible(path)}; the file is empty; check --key", exit_code=2)
    return [_ssh_record(line, path=path) for line in lines]


def records_of_allowed_signers(path: str, *, identity: str) -> list[JsonObject]:
    """Return the key records of an identity in ssh's allowed_signers file.

    ``valid-after`` and ``valid-before`` become ``notBefore`` and ``notAfter``. Lines for other namespaces
    than Peergate's are left out, as ssh-keygen would; certificates are refused.
    Errors: CommandError when there is none, or a line can't be read; as ``records_of_file``.
    """
    records: list[JsonObject] = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        record = _signer_record(line.strip(), identity=identity, where=f"{path}:{number}")
        if record is not None:
            records.append(record)
    if not records:
        raise CommandError(
            f"no key for {visible(identity)} in {visible(path)}; no line names it for namespace {NAMESPACE}; "
            "check --identity",
            exit_code=2,
        )
    return records


def checked_id(record: JsonObject, *, where: str) -> str:
    """Return the key's id, ``SHA256:...``.

    Errors: CommandError with exit code 3 and one clear sentence, when the key must not be used (K1 to K5).
    """
    try:
        return str(read_public_key(KeyRecord.model_validate(record)).id)
    except KeyProblem as problem:
        raise CommandError(
            f"unusable key; {visible(where)}: {str(problem).rstrip('.')}; use another key",
            exit_code=_REFUSED,
        ) from problem


def _text(path: str) -> str:
    try:
        return read_bytes(path, what="public key").decode("utf-8")
    except UnicodeDecodeError as error:
        raise CommandError(
            f"no public key in {visible(path)}; it is no text; give an OpenSSH line or a PEM file",
            exit_code=2,
        ) from error


def _ssh_record(line: str, *, path: str) -> JsonObject:
    parts = line.split(None, 2)
    if parts[0].endswith("-cert-v01@openssh.com"):
        raise CommandError(
            f"{visible(path)} is a certificate; Peergate registers plain keys; name the key's own .pub file",
            exit_code=_REFUSED,
        )
    public = " ".join(parts[:2])
    record: JsonObject = {"type": "ssh", "publicKey": public}
    if len(parts) > 2 and visible(parts[2]) == parts[2]:  # noqa: PLR2004 - the comment
        record["comment"] = parts[2][:253]
    checked_id(record, where=path)
    return record


def _pem_record(text: str, *, path: str, rsa: str) -> JsonObject:
    problems: list[str] = []
    for kind in ("ed25519", "ecdsa-p256", f"rsa-{rsa}-sha256"):
        record: JsonObject = {"type": kind, "publicKey": text.strip() + "\n"}
        try:
            read_public_key(KeyRecord.model_validate(record))
        except KeyProblem as problem:
            problems.append(str(problem))
        else:
            return record
    telling = [problem for problem in problems if _NO_SUCH_KIND not in problem]
    reason = telling[0] if telling else "Only Ed25519, ECDSA P-256 and RSA keys are taken."
    raise CommandError(
        f"unusable key; {visible(path)}: {reason.rstrip('.')}; use another key",
        exit_code=_REFUSED,
    )


def _signer_record(line: str, *, identity: str, where: str) -> JsonObject | None:
    words = _WORD.findall(line)
    principals, rest = words[0].split(","), words[1:]
    if not _names(principals, identity):
        return None
    options: dict[str, str] = {}
    while rest and rest[0] not in SIGNATURE_ALGORITHMS:
        options.update(_options(rest.pop(0), where=where))
    if "cert-authority" in options:
        raise CommandError(
            f"certificates are not taken; {visible(where)} names a cert-authority; "
            "register the keys themselves",
            exit_code=_REFUSED,
        )
    namespaces = options.get("namespaces")
    if namespaces is not None and not _names(namespaces.split(","), NAMESPACE):
        return None
    if len(rest) < 2:  # noqa: PLR2004 - the type and the key
        raise CommandError(
            f"unreadable line; {visible(where)} has no key of a kind that is taken; correct the file",
            exit_code=2,
        )
    record = _ssh_record(" ".join(rest), path=where)
    for option, member in (("valid-after", "notBefore"), ("valid-before", "notAfter")):
        if option in options:
            record[member] = format_instant(_time(options[option], where=where))
    return record


def _names(patterns: Sequence[str], name: str) -> bool:
    """Tell whether a pattern list of ssh names this one; a match of ``!pattern`` means no."""
    denied = any(fnmatch.fnmatchcase(name, one[1:]) for one in patterns if one.startswith("!"))
    return not denied and any(fnmatch.fnmatchcase(name, one) for one in patterns if not one.startswith("!"))


def _options(word: str, *, where: str) -> dict[str, str]:
    """Return the options of one field, by lower-case name; ``a,b="x,y"`` has two."""
    found: dict[str, str] = {}
    at = 0
    while at < len(word):
        option = _OPTION.match(word, at)
        if option is None or option[1].lower() not in _KNOWN_OPTIONS:
            shown = visible(word[at:], limit=60)
            raise CommandError(
                f"unreadable line; {visible(where)}: unknown option {shown}; correct the file",
                exit_code=2,
            )
        found[option[1].lower()] = option[2] if option[2] is not None else option[3] or ""
        at = option.end()
    return found


def _time(text: str, *, where: str) -> datetime:
    """Return the instant; without a Z it is in the local time zone, as ssh reads it."""
    utc = text.endswith("Z")
    for shape in _TIMES:
        try:
            found = datetime.strptime(text.removesuffix("Z"), shape)  # noqa: DTZ007 - the zone comes next
        except ValueError:
            continue
        return found.replace(tzinfo=UTC) if utc else found.astimezone(UTC)
    raise CommandError(f"unreadable time; {visible(where)}: {visible(text)}; correct the file", exit_code=2)
