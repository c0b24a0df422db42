"""Who asks: the agent's account, its uid and its owner, looked up live (experience.md §2.1, item 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from peergate.cli.kube import ApiError, Cluster, object_path
from peergate.cli.text import visible
from peergate.errors import CommandError
from peergate.model.change import Requester
from peergate.model.names import AGENT_LABEL, AGENTS_LABEL, OWNER_ANNOTATION

__all__ = ["Asker", "NoSuchAccount", "find_asker"]

_PREFIX: Final = "system:serviceaccount:"
_SHOWN: Final = 5


class NoSuchAccount(CommandError):
    """The requester is a ServiceAccount that does not exist."""


@dataclass(frozen=True, slots=True)
class Asker:
    """The principal whose request would be admitted."""

    requester: Requester
    owner: str
    """Empty when nobody is named as answering for it."""
    tagged: bool | None
    """Whether the account or its namespace is tagged as an agent; ``None`` when that can't be told."""


def find_asker(cluster: Cluster, *, name: str | None, uid: str) -> Asker:
    """Return the account that ``--requester`` means.

    Shape: ``NAMESPACE/NAME`` or ``system:serviceaccount:NAMESPACE:NAME`` for a ServiceAccount, whose uid is
        the live one's; any other user name as it is, with the uid given.
    Errors: CommandError with exit code 2 when no name is given (it then lists the agents there are), 1 when
        there is no such account, 6 when the uid given is not the live one's.
    """
    if not name:
        raise CommandError(
            f"who will make the request?; an approval is for one account only{_known_agents(cluster)}; "
            "say it with --requester NAMESPACE/NAME",
            exit_code=2,
        )
    namespace, account = _service_account(name)
    if not account:
        return Asker(requester=Requester(username=name, uid=uid), owner="", tagged=None)
    path = object_path(group="", version="v1", resource="serviceaccounts", namespace=namespace, name=account)
    live = cluster.find(path)
    shown = visible(f"{namespace}/{account}", limit=160)
    if live is None:
        raise NoSuchAccount(
            f"no ServiceAccount {shown}; the requester does not exist in this cluster; check --requester",
        )
    metadata = live["metadata"]
    if uid and uid != metadata["uid"]:
        raise CommandError(
            f"ServiceAccount {shown} is another one now; its uid is not the given one; ask the agent again",
            exit_code=6,
        )
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    tagged: bool | None = labels.get(AGENT_LABEL) == "true"
    return Asker(
        requester=Requester(username=f"{_PREFIX}{namespace}:{account}", uid=str(metadata["uid"])),
        owner=str(annotations.get(OWNER_ANNOTATION, "")),
        tagged=tagged or _namespace_tagged(cluster, namespace),
    )


def _service_account(name: str) -> tuple[str, str]:
    if name.startswith(_PREFIX):
        namespace, _, account = name.removeprefix(_PREFIX).partition(":")
        return namespace, account
    namespace, slash, account = name.partition("/")
    return (namespace, account) if slash and namespace and account and "/" not in account else ("", "")


def _namespace_tagged(cluster: Cluster, namespace: str) -> bool | None:
    path = object_path(group="", version="v1", resource="namespaces", namespace="", name=namespace)
    try:
        labels = cluster.get(path)["metadata"].get("labels") or {}
    except ApiError:
        return None
    return bool(labels.get(AGENTS_LABEL) == "true")


def _known_agents(cluster: Cluster) -> str:
    path = object_path(group="", version="v1", resource="serviceaccounts", namespace="")
    try:
        found = cluster.get(path, query={"labelSelector": f"{AGENT_LABEL}=true"}).get("items") or []
    except ApiError:
        return ""
    names = [visible(f"{one['metadata']['namespace']}/{one['metadata']['name']}", limit=120) for one in found]
    if not names:
        return ", and no account is tagged as an agent"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"; the agents are {', '.join(names[:_SHOWN])}{more}"
