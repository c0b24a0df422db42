"""Register an approver: check the keys, then create one Approver."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from peergate.cli.kube import ApiError, Cluster, connect
from peergate.cli.output import Output
from peergate.cli.public_keys import checked_id, records_of_allowed_signers, records_of_file
from peergate.cli.text import visible
from peergate.cli.trust import load_keyring
from peergate.errors import CommandError
from peergate.model.approver import ApproverSpec
from peergate.model.names import API_VERSION, JsonObject

__all__ = ["Registration", "register"]

_PATH: Final = f"/apis/{API_VERSION}/approvers"
_EXISTS: Final = 409
_REFUSED: Final = 3


@dataclass(frozen=True, slots=True)
class Registration:
    """What the command line says about an approver."""

    name: str
    identity: str
    owner: str
    class_: str
    keys: tuple[str, ...]
    allowed_signers: str | None
    usernames: tuple[str, ...]
    groups: tuple[str, ...]
    rsa: str


def register(out: Output, *, registration: Registration, dry_run: bool, output: str) -> None:
    """Create the Approver, or print it with ``dry_run``.

    Errors: CommandError: exit code 2 for what is missing, 3 for keys that must not be used or are taken.
    """
    document, ids = _document(registration)
    if dry_run:
        _print(out, document, output=output, created=False)
        _fingerprints(out, ids)
        return
    cluster = connect(out)
    _check_clashes(cluster, registration=registration, ids=ids)
    try:
        created = cluster.create(_PATH, document)
    except ApiError as error:
        if error.status == _EXISTS:
            raise CommandError(
                f"approver {visible(registration.name)} exists; nothing was changed; edit it instead: "
                f"kubectl edit approver {visible(registration.name)}",
            ) from error
        raise
    _print(out, created, output=output, created=True)
    _fingerprints(out, ids)
    out.say("Compare the fingerprint with what its owner sees: ssh-keygen -lf KEY.pub")
    out.hint("Next:", out.flags.command("approve delete TYPE/NAME --requester NAMESPACE/AGENT --key KEY"))


def _document(registration: Registration) -> tuple[JsonObject, list[str]]:
    records = [record for path in registration.keys for record in records_of_file(path, rsa=registration.rsa)]
    if registration.allowed_signers is not None:
        records += records_of_allowed_signers(registration.allowed_signers, identity=registration.identity)
    if not records:
        raise CommandError("no key; an approver needs one; add --key FILE.pub", exit_code=2)
    if registration.class_ == "agent" and not (registration.usernames and registration.owner):
        raise CommandError(
            "an approver of class agent needs --username and --owner; without them it can't be told from the "
            "requester; add both",
            exit_code=2,
        )
    ids = [checked_id(record, where=registration.identity) for record in records]
    if len(set(ids)) != len(ids):
        raise CommandError("one key twice; each key belongs in one record; leave one out", exit_code=2)
    spec: JsonObject = {"identity": registration.identity, "class": registration.class_}
    if registration.owner:
        spec["owner"] = registration.owner
    if registration.usernames:
        spec["kubernetesUsernames"] = list(registration.usernames)
    if registration.groups:
        spec["groups"] = list(registration.groups)
    spec["keys"] = records
    try:
        ApproverSpec.model_validate(spec)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CommandError(
            f"not a valid approver; spec.{where}: {visible(first['msg'])}; correct it", exit_code=2
        ) from error
    return {
        "apiVersion": API_VERSION,
        "kind": "Approver",
        "metadata": {"name": registration.name},
        "spec": spec,
    }, ids


def _check_clashes(cluster: Cluster, *, registration: Registration, ids: list[str]) -> None:
    """Refuse what would make both registrations unusable (K6)."""
    keyring = load_keyring(cluster)
    for approver in keyring.approvers.values():
        if approver.identity == registration.identity:
            raise CommandError(
                f"identity {visible(approver.identity)} is registered; two of it would both be unusable; "
                "edit that Approver, or choose another --identity",
                exit_code=_REFUSED,
            )
        shared = approver.kubernetes_usernames & set(registration.usernames)
        if shared:
            raise CommandError(
                f"user name {visible(min(shared))} belongs to {visible(approver.identity)}; "
                "shared, it would make both unusable; leave it out",
                exit_code=_REFUSED,
            )
        taken = {str(key.public.id) for key in approver.keys} & set(ids)
        if taken:
            raise CommandError(
                f"key {min(taken)} belongs to {visible(approver.identity)}; "
                "shared, it would be unusable for both; use another key",
                exit_code=_REFUSED,
            )


def _print(out: Output, document: JsonObject, *, output: str, created: bool) -> None:
    if output == "json":
        out.data(json.dumps(document, indent=2))
    elif output == "yaml":
        import yaml  # noqa: PLC0415 - only this output needs it

        out.data(yaml.safe_dump(document, sort_keys=False))
    else:
        name = document["metadata"]["name"]
        out.data(f"approver.peergate.dev/{visible(name)} {'created' if created else 'created (dry run)'}")


def _fingerprints(out: Output, ids: list[str]) -> None:
    for key_id in ids:
        out.say(f"key {key_id}")
