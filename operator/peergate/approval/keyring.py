"""The keyring: every registered approver, and how a signature finds the keys that may have made it.

Built once per change of any Approver; looking up costs the same for 10 and for 10,000 of them.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from peergate.approval.keys import KeyProblem, PublicKey, read_public_key
from peergate.approval.primitives import P256_RAW_BYTES
from peergate.model.approver import ApproverClass, ApproverSpec, KeyRecord
from peergate.model.names import KeyId

__all__ = ["MAX_CANDIDATES", "Keyring", "RegisteredApprover", "RegisteredKey", "build_keyring"]

MAX_CANDIDATES: Final = 16
"""Keys tried for one signature, so that nobody buys more than 16 verifications with an annotation (A13)."""


@dataclass(frozen=True, slots=True)
class RegisteredKey:
    """One usable key record; disabled and expired ones too, since V23 says so by name."""

    public: PublicKey
    record: KeyRecord
    identity: str
    """Of the Approver it belongs to."""


@dataclass(frozen=True, slots=True)
class RegisteredApprover:
    """One usable Approver."""

    name: str
    """Of the Approver object."""
    identity: str
    class_: ApproverClass
    owner: str
    """Empty if unknown."""
    groups: frozenset[str]
    kubernetes_usernames: frozenset[str]
    keys: tuple[RegisteredKey, ...]
    """Those that passed K1 to K6, in the order of the object."""
    revoked_before: datetime | None
    disabled: bool


@dataclass(frozen=True, slots=True)
class Keyring:
    """What signatures are checked against; never changed once built."""

    approvers: Mapping[str, RegisteredApprover]
    """By identity."""
    by_username: Mapping[str, RegisteredApprover]
    """By entry of ``kubernetesUsernames``."""
    by_wire: Mapping[bytes, RegisteredKey]
    """By SSH wire form; a wire form is in one record only (K6)."""
    by_id: Mapping[KeyId, RegisteredKey]
    by_length: Mapping[int, tuple[RegisteredKey, ...]]
    """Records other than ``ssh`` by the length of a raw signature, 0 for DER; the first 16 by id."""
    problems: Mapping[str, tuple[str, ...]]
    """Name of the Approver object to sentences for people; only those that have any."""
    seen: OrderedDict[str, object] = field(default_factory=OrderedDict, compare=False, repr=False)
    """What ``approval.signed`` has opened with these very keys, by value; for it alone."""

    def candidates(self, *, signature: bytes, key_id: str) -> tuple[RegisteredKey, ...]:
        """Return the keys that may have made a signature that is no SSHSIG, at most 16, best guess first.

        The key that the hint names comes first, then those of a fitting type, by id (V11). The hint orders
        and decides nothing (A8).
        """
        length = len(signature)
        fitting = self.by_length.get(length, self.by_length.get(0, ()))
        named = self.by_id.get(KeyId(key_id))
        if named is not None and named.public.type != "ssh":
            fitting = (named, *(key for key in fitting if key is not named))
        return fitting[:MAX_CANDIDATES]


def build_keyring(approvers: Mapping[str, ApproverSpec]) -> Keyring:
    """Return the keyring of all Approver objects, given by name.

    What fails a check of K1 to K7 is left out and told in ``problems``; the rest is as good as before. The
    order of the objects does not matter.
    """
    problems: defaultdict[str, list[str]] = defaultdict(list)
    clashing = _clashing_approvers(approvers, problems=problems)
    read = {
        name: tuple(_read_keys(spec, problems=problems[name])) for name, spec in sorted(approvers.items())
    }
    holders: defaultdict[bytes, list[str]] = defaultdict(list)
    for name, keys in read.items():
        for key in keys:
            holders[key.public.wire].append(name)
    usable = {}
    for name, keys in read.items():
        good = []
        for key in keys:
            if len(holders[key.public.wire]) == 1:
                good.append(key)
            else:  # K6
                problems[name].append(_key_clash(key.public, name=name, holders=holders[key.public.wire]))
        if name not in clashing and _is_complete(approvers[name], problems=problems[name]):
            usable[name] = _register(name, spec=approvers[name], keys=tuple(good))
    return _index(usable.values(), problems=problems)


def _clashing_approvers(
    approvers: Mapping[str, ApproverSpec],
    *,
    problems: Mapping[str, list[str]],
) -> frozenset[str]:
    """Return the objects that share an identity or a user name with another; none of them is used (K6)."""
    clashing = set()
    for what, values in (
        ("identity", {name: {spec.identity} for name, spec in approvers.items()}),
        ("Kubernetes user name", {name: set(spec.kubernetes_usernames) for name, spec in approvers.items()}),
    ):
        holders: defaultdict[str, list[str]] = defaultdict(list)
        for name in sorted(values):
            for value in sorted(values[name]):
                holders[value].append(name)
        for value, names in holders.items():
            if len(names) == 1:
                continue
            clashing.update(names)
            for name in names:
                others = ", ".join(other for other in names if other != name)
                problems[name].append(f"The {what} {value} is also in Approver {others}; neither is used.")
    return frozenset(clashing)


def _read_keys(spec: ApproverSpec, *, problems: list[str]) -> Iterable[RegisteredKey]:
    for position, record in enumerate(spec.keys, start=1):
        try:
            public = read_public_key(record)
        except KeyProblem as problem:
            problems.append(f"Key {position}: {problem}")
        else:
            yield RegisteredKey(public=public, record=record, identity=spec.identity)


def _key_clash(key: PublicKey, *, name: str, holders: list[str]) -> str:
    others = [holder for holder, _ in sorted(Counter(holders).items()) if holder != name]
    where = f"also in Approver {', '.join(others)}" if others else "in more than one record"
    return f"The key {key.id} is {where}; none of these records is used."


def _is_complete(spec: ApproverSpec, *, problems: list[str]) -> bool:
    """Tell whether an agent says who it is and who answers for it (K7)."""
    if spec.class_ == "agent" and not (spec.owner and spec.kubernetes_usernames):
        problems.append("An approver of class agent needs an owner and at least one Kubernetes user name.")
        return False
    return True


def _register(name: str, *, spec: ApproverSpec, keys: tuple[RegisteredKey, ...]) -> RegisteredApprover:
    return RegisteredApprover(
        name=name,
        identity=spec.identity,
        class_=spec.class_,
        owner=spec.owner,
        groups=frozenset(spec.groups),
        kubernetes_usernames=frozenset(spec.kubernetes_usernames),
        keys=keys,
        revoked_before=spec.revoked_before,
        disabled=spec.disabled,
    )


def _index(approvers: Iterable[RegisteredApprover], *, problems: Mapping[str, list[str]]) -> Keyring:
    by_identity = {approver.identity: approver for approver in approvers}
    by_id = {key.public.id: key for approver in by_identity.values() for key in approver.keys}
    by_length: defaultdict[int, list[RegisteredKey]] = defaultdict(list)
    for _, key in sorted(by_id.items()):
        for length in _lengths(key.public):
            by_length[length].append(key)
    return Keyring(
        approvers=MappingProxyType(by_identity),
        by_username=MappingProxyType(
            {
                username: approver
                for approver in by_identity.values()
                for username in sorted(approver.kubernetes_usernames)
            },
        ),
        by_wire=MappingProxyType({key.public.wire: key for key in by_id.values()}),
        by_id=MappingProxyType(by_id),
        by_length=MappingProxyType(
            # One more would never be tried, whatever the hint says.
            {length: tuple(keys[:MAX_CANDIDATES]) for length, keys in by_length.items()},
        ),
        problems=MappingProxyType(
            {name: tuple(sentences) for name, sentences in sorted(problems.items()) if sentences},
        ),
    )


def _lengths(key: PublicKey) -> tuple[int, ...]:
    """Return how long raw signatures under a key can be; 0 stands for DER, which varies."""
    match key.type, key.handle:
        case "ssh", _:
            return ()
        case "ed25519", _:
            return (P256_RAW_BYTES,)
        case _, RSAPublicKey() as rsa:
            return ((rsa.key_size + 7) // 8,)
        case _:
            return (P256_RAW_BYTES, 0)
