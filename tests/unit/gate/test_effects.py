"""What a request would really do: one sentence, one row."""

from __future__ import annotations

import re

import pytest
from tests.support import records
from tests.support.gate import AGENT_UID, agent_user, changed, found, review, snapshot, thing
from tests.support.peers import approver, sign

from peergate.gate.effects import ENTRIES, finding_for
from peergate.gate.findings import Finding, Situation, gravest
from peergate.gate.principal import Agent
from peergate.gate.snapshot import Account
from peergate.model.change import Effect
from peergate.model.review import Gate, Kind

HARMLESS, REPLACE, DELETE, FORBIDDEN = Effect.HARMLESS, Effect.REPLACE, Effect.DELETE, Effect.FORBIDDEN

WEB = thing("Deployment", spec={"replicas": 3, "template": {"spec": {"containers": [{"image": "web:1"}]}}})
SETTINGS = thing("ConfigMap", "settings", data={"mode": "on"})
NAMESPACE = thing("Namespace", "shop", labels={"peergate.dev/protected": "true"})
OWN_NAMESPACE = thing("Namespace", "peergate-system")
BOT = thing("ServiceAccount", "bot", namespace="agents", labels={"peergate.dev/agent": "true"})
SCALE = Kind(group="autoscaling", version="v1", kind="Scale")
FINALIZED = thing("ConfigMap", finalizers=["example.com/drain", "example.com/keep"])
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "gone"}
REQUEST = thing(
    "ChangeRequest",
    "cr-bcdfghjkmnpqrstvwxzb",
    spec={
        "requester": {
            "username": "system:serviceaccount:agents:bot",
            "uid": AGENT_UID,
            "owner": "team-platform",
        },
    },
)
DELETION = records.recorded(records.DELETION)
NODES = records.recorded(records.DELETION, namespace="peergate-system")
OTHERS_REQUEST = changed(REQUEST, "spec", "requester", "username", to="system:serviceaccount:agents:sibling")
ROBOT = agent_user("system:serviceaccount:agents:robot", "uid-robot")
BY_ROBOT = {"by": "robot@example.com"}
APPROVERS = {
    "robot": approver(
        "robot",
        **{"class": "agent"},
        owner="team-robots",
        kubernetesUsernames=["system:serviceaccount:agents:robot"],
    ),
    "alice": approver("alice", kubernetesUsernames=["alice"]),
}
SLOT = "approval.peergate.dev/v1.alice"
AGGREGATED = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
OWN_CRD = thing("CustomResourceDefinition", "approvers.peergate.dev", spec={"group": "peergate.dev"})


def annotated(document, **annotations):
    return changed(document, "metadata", "annotations", to=annotations)


def pod(account=None, *, kind="Pod", containers=True, **spec):
    inner = {"containers": [{"name": "c", "image": "i"}]} if containers else {}
    if account:
        inner["serviceAccountName"] = account
    return thing(kind, "p", namespace="agents", spec={**inner, **spec})


def templated(account=None, **spec):
    return thing(
        "Deployment",
        "d",
        namespace="agents",
        spec={"template": {"spec": pod(account, **spec)["spec"]}},
    )


def binding(*subjects, kind="RoleBinding"):
    return thing(kind, "b", subjects=list(subjects))


def account(name, namespace="agents"):
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def own_secret(operation):
    secret = thing("Secret", "peergate-tls", namespace="peergate-system")
    return {"DELETE": review("DELETE", old=secret, gate=Gate.OWN)}[operation]


CASES = {
    # what the operation means by itself
    "a deletion is a Delete": (review("DELETE", old=WEB), DELETE, ""),
    "an item of a collection is a Delete and says so": (
        review("DELETE", old=WEB, collection=True),
        DELETE,
        "one of a collection",
    ),
    "a changed spec is a Replace": (
        review("UPDATE", old=WEB, new=changed(WEB, "spec", "x", to=1)),
        REPLACE,
        "",
    ),
    "a changed label is a Replace": (
        review("UPDATE", old=WEB, new=changed(WEB, "metadata", "labels", to={"a": "b"})),
        REPLACE,
        "",
    ),
    "a changed status is a Replace": (
        review("UPDATE", old=WEB, new=changed(WEB, "status", to={"a": 1}), subresource="status"),
        REPLACE,
        "",
    ),
    "a creation is harmless": (review("CREATE", new=WEB), HARMLESS, ""),
    "an operation nobody knows is Forbidden": (review("RENAME", old=WEB), FORBIDDEN, ""),
    # harmless updates
    "an update that changes nothing is harmless": (review("UPDATE", old=WEB, new=WEB), HARMLESS, ""),
    "an approval annotation is harmless": (
        review("UPDATE", old=WEB, new=annotated(WEB, **{SLOT: "{}"})),
        HARMLESS,
        "",
    ),
    "another annotation is a Replace": (review("UPDATE", old=WEB, new=annotated(WEB, x="y")), REPLACE, ""),
    "server-set metadata is harmless": (
        review("UPDATE", old=WEB, new=changed(WEB, "metadata", "resourceVersion", to="2")),
        HARMLESS,
        "",
    ),
    "an approval beside a changed spec is a Replace": (
        review("UPDATE", old=WEB, new=changed(annotated(WEB, **{SLOT: "{}"}), "spec", "replicas", to=4)),
        REPLACE,
        "",
    ),
    # ends in a deletion
    "a dropped finalizer is a Delete (T12)": (
        review(
            "UPDATE", old=FINALIZED, new=changed(FINALIZED, "metadata", "finalizers", to=["example.com/keep"])
        ),
        DELETE,
        "drops finalizers",
    ),
    "an added finalizer is a Replace": (
        review("UPDATE", old=SETTINGS, new=changed(SETTINGS, "metadata", "finalizers", to=["a/b"])),
        REPLACE,
        "",
    ),
    "an added owner is a Delete (T5)": (
        review("UPDATE", old=SETTINGS, new=changed(SETTINGS, "metadata", "ownerReferences", to=[OWNER])),
        DELETE,
        "foreign owner",
    ),
    "an owner changed through /status is a Delete (T5)": (
        review(
            "UPDATE",
            old=WEB,
            new=changed(WEB, "metadata", "ownerReferences", to=[OWNER]),
            subresource="status",
        ),
        DELETE,
        "foreign owner",
    ),
    "a removed owner is a Replace": (
        review(
            "UPDATE",
            old=changed(SETTINGS, "metadata", "ownerReferences", to=[OWNER]),
            new=SETTINGS,
        ),
        REPLACE,
        "",
    ),
    "no replicas left is a Delete (T10)": (
        review("UPDATE", old=WEB, new=changed(WEB, "spec", "replicas", to=0)),
        DELETE,
        "scale to 0",
    ),
    "fewer replicas is a Replace": (
        review("UPDATE", old=WEB, new=changed(WEB, "spec", "replicas", to=1)),
        REPLACE,
        "",
    ),
    "a Scale without replicas is zero (T10)": (
        review("UPDATE", old=WEB, new=changed(WEB, "spec", to={}), subresource="scale", kind=SCALE),
        DELETE,
        "scale to 0",
    ),
    "a Scale that was zero before is no Delete": (
        review(
            "UPDATE",
            old=changed(WEB, "spec", to={}),
            new=changed(changed(WEB, "spec", to={}), "spec", "replicas", to=2),
            subresource="scale",
            kind=SCALE,
        ),
        REPLACE,
        "",
    ),
    "emptied data is a Replace and says so (T11)": (
        review("UPDATE", old=SETTINGS, new=changed(SETTINGS, "data", to=None)),
        REPLACE,
        "empties data",
    ),
    "emptied binaryData of a Secret says so too (T11)": (
        review(
            "UPDATE",
            old=thing("Secret", binaryData={"a": "b"}),
            new=thing("Secret", binaryData={}),
        ),
        REPLACE,
        "empties data",
    ),
    # opaque and unknown
    "a binding is Forbidden, as any creation that nobody knows": (
        review("CREATE", new=pod(), subresource="binding"),
        FORBIDDEN,
        "",
    ),
    # the gate itself
    "a Secret of the operator's namespace is Forbidden (T17)": (own_secret("DELETE"), FORBIDDEN, ""),
    "a creation in the operator's namespace is Forbidden (T17)": (
        review("CREATE", new=thing("ConfigMap", namespace="peergate-system"), gate=Gate.OWN),
        FORBIDDEN,
        "",
    ),
    "the operator's Lease is Forbidden (T17)": (
        review(
            "UPDATE",
            old=thing("Lease", "peergate-leader", namespace="peergate-system"),
            new=thing("Lease", "peergate-leader", namespace="peergate-system", spec={"holderIdentity": "me"}),
            gate=Gate.OWN,
        ),
        FORBIDDEN,
        "",
    ),
    "even a change of nothing in the operator's namespace is Forbidden": (
        review(
            "UPDATE",
            old=thing("ConfigMap", namespace="peergate-system"),
            new=thing("ConfigMap", namespace="peergate-system"),
            gate=Gate.OWN,
        ),
        FORBIDDEN,
        "",
    ),
    "the operator's namespace itself is Forbidden": (review("DELETE", old=OWN_NAMESPACE), FORBIDDEN, ""),
    "another namespace is a Delete with all it holds (T9)": (
        review("DELETE", old=NAMESPACE),
        DELETE,
        "with all it holds",
    ),
    "creating a namespace is harmless": (review("CREATE", new=OWN_NAMESPACE), HARMLESS, ""),
    "creating an Approver is Forbidden (A37)": (review("CREATE", new=thing("Approver", "me")), FORBIDDEN, ""),
    "editing an Approver is Forbidden (A37)": (
        review("UPDATE", old=thing("Approver", "a"), new=thing("Approver", "a", spec={})),
        FORBIDDEN,
        "",
    ),
    "even a change of nothing of an Approver is Forbidden": (
        review("UPDATE", old=thing("Approver", "a"), new=thing("Approver", "a")),
        FORBIDDEN,
        "",
    ),
    "deleting a policy is Forbidden": (review("DELETE", old=thing("ProtectionPolicy", "p")), FORBIDDEN, ""),
    "a forged use of an approval is Forbidden": (
        review("CREATE", new=thing("ApprovalUse", "u")),
        FORBIDDEN,
        "",
    ),
    "filing a ChangeRequest is Forbidden": (review("CREATE", new=REQUEST), FORBIDDEN, ""),
    "deleting a ChangeRequest is Forbidden": (review("DELETE", old=REQUEST), FORBIDDEN, ""),
    "a ChangeRequest's status is Forbidden": (
        review(
            "UPDATE",
            old=REQUEST,
            new=changed(REQUEST, "status", to={"state": "Approved"}),
            subresource="status",
        ),
        FORBIDDEN,
        "",
    ),
    "a ChangeRequest's status together with its labels is Forbidden": (
        review(
            "UPDATE",
            old=REQUEST,
            new=changed(
                changed(REQUEST, "metadata", "labels", to={"a": "b"}), "status", "rejection", to=BY_ROBOT
            ),
            user=ROBOT,
            subresource="status",
        ),
        FORBIDDEN,
        "",
    ),
    "an approver that is an agent rejects": (
        review(
            "UPDATE",
            old=REQUEST,
            new=changed(REQUEST, "status", "rejection", to=BY_ROBOT),
            user=ROBOT,
            subresource="status",
        ),
        HARMLESS,
        "",
    ),
    "it does not reject in another's name": (
        review(
            "UPDATE",
            old=REQUEST,
            new=changed(REQUEST, "status", "rejection", to={"by": "alice@example.com"}),
            user=ROBOT,
            subresource="status",
        ),
        FORBIDDEN,
        "",
    ),
    "it does not set the state": (
        review(
            "UPDATE",
            old=REQUEST,
            new=changed(REQUEST, "status", "state", to="Approved"),
            user=ROBOT,
            subresource="status",
        ),
        FORBIDDEN,
        "",
    ),
    "an approver that is an agent does not bring what is no approval": (
        review("UPDATE", old=REQUEST, new=annotated(REQUEST, **{SLOT: "{}"}), user=ROBOT),
        FORBIDDEN,
        "",
    ),
    "a ChangeRequest's status that stays is harmless": (
        review("UPDATE", old=REQUEST, new=REQUEST, subresource="status"),
        HARMLESS,
        "",
    ),
    "a ChangeRequest's spec is Forbidden": (
        review("UPDATE", old=REQUEST, new=changed(REQUEST, "spec", "summary", to="fine")),
        FORBIDDEN,
        "",
    ),
    "a ChangeRequest's labels are Forbidden": (
        review("UPDATE", old=REQUEST, new=changed(REQUEST, "metadata", "labels", to={"a": "b"})),
        FORBIDDEN,
        "",
    ),
    "the requester attaches an approval to its ChangeRequest": (
        review("UPDATE", old=DELETION, new=annotated(DELETION, **{SLOT: sign(records.DELETION)})),
        HARMLESS,
        "",
    ),
    "also in the operator's namespace": (
        review("UPDATE", old=NODES, new=annotated(NODES, **{SLOT: sign(records.DELETION)}), gate=Gate.OWN),
        HARMLESS,
        "",
    ),
    "the requester does not attach what is none": (
        review("UPDATE", old=DELETION, new=annotated(DELETION, **{SLOT: "{}"})),
        FORBIDDEN,
        "",
    ),
    "another agent does not": (
        review("UPDATE", old=OTHERS_REQUEST, new=annotated(OTHERS_REQUEST, **{SLOT: "{}"})),
        FORBIDDEN,
        "",
    ),
    "an occupied slot is not overwritten": (
        review("UPDATE", old=annotated(REQUEST, **{SLOT: "{}"}), new=annotated(REQUEST, **{SLOT: "[]"})),
        FORBIDDEN,
        "",
    ),
    "an approval is not removed either": (
        review("UPDATE", old=annotated(REQUEST, **{SLOT: "{}"}), new=annotated(REQUEST)),
        FORBIDDEN,
        "",
    ),
    "the requester gives its reason": (
        review("UPDATE", old=REQUEST, new=annotated(REQUEST, **{"peergate.dev/reason": "because"})),
        HARMLESS,
        "",
    ),
    "and takes it back": (
        review(
            "UPDATE", old=annotated(REQUEST, **{"peergate.dev/reason": "because"}), new=annotated(REQUEST)
        ),
        HARMLESS,
        "",
    ),
    "an approval beside what is none": (
        review(
            "UPDATE",
            old=annotated(DELETION, **{"approval.peergate.dev/v1.bob": "{}"}),
            new=annotated(DELETION, **{SLOT: sign(records.DELETION), "approval.peergate.dev/v1.bob": "{}"}),
        ),
        HARMLESS,
        "",
    ),
    "a reason of 513 characters is Forbidden": (
        review("UPDATE", old=REQUEST, new=annotated(REQUEST, **{"peergate.dev/reason": "x" * 513})),
        FORBIDDEN,
        "",
    ),
    "nobody else gives a reason": (
        review("UPDATE", old=OTHERS_REQUEST, new=annotated(OTHERS_REQUEST, **{"peergate.dev/ticket": "T1"})),
        FORBIDDEN,
        "",
    ),
    "any other annotation of a ChangeRequest is Forbidden": (
        review("UPDATE", old=REQUEST, new=annotated(REQUEST, **{"peergate.dev/by": "me"})),
        FORBIDDEN,
        "",
    ),
    "a reserved key that is no slot is Forbidden there": (
        review("UPDATE", old=REQUEST, new=annotated(REQUEST, **{"approval.peergate.dev/x": "{}"})),
        FORBIDDEN,
        "",
    ),
    # the labels that select
    "unprotecting a namespace is Forbidden (T3)": (
        review("UPDATE", old=NAMESPACE, new=changed(NAMESPACE, "metadata", "labels", to={})),
        FORBIDDEN,
        "",
    ),
    "unprotecting through /status is Forbidden (T3)": (
        review(
            "UPDATE", old=NAMESPACE, new=changed(NAMESPACE, "metadata", "labels", to={}), subresource="status"
        ),
        FORBIDDEN,
        "",
    ),
    "unprotecting through /finalize is Forbidden (T3)": (
        review(
            "UPDATE",
            old=NAMESPACE,
            new=changed(NAMESPACE, "metadata", "labels", to={}),
            subresource="finalize",
        ),
        FORBIDDEN,
        "",
    ),
    "declaring a namespace's accounts agents is Forbidden": (
        review(
            "UPDATE",
            old=NAMESPACE,
            new=changed(NAMESPACE, "metadata", "labels", "peergate.dev/agents", to="true"),
        ),
        FORBIDDEN,
        "",
    ),
    "another label of a namespace is a Replace": (
        review("UPDATE", old=NAMESPACE, new=changed(NAMESPACE, "metadata", "labels", "team", to="a")),
        REPLACE,
        "",
    ),
    # becoming somebody else
    "untagging an account is Forbidden (T15)": (
        review("UPDATE", old=BOT, new=changed(BOT, "metadata", "labels", to={}), gate=Gate.IDENTITY),
        FORBIDDEN,
        "",
    ),
    "deleting an account is Forbidden (T15)": (review("DELETE", old=BOT, gate=Gate.IDENTITY), FORBIDDEN, ""),
    "changing nothing of an account is harmless": (
        review("UPDATE", old=BOT, new=BOT, gate=Gate.IDENTITY),
        HARMLESS,
        "",
    ),
    "creating an untagged account is harmless": (
        review("CREATE", new=thing("ServiceAccount", "x"), gate=Gate.IDENTITY),
        HARMLESS,
        "",
    ),
    "creating an agent of another owner is Forbidden": (
        review(
            "CREATE",
            new=thing(
                "ServiceAccount",
                "x",
                labels={"peergate.dev/agent": "true"},
                annotations={"peergate.dev/owner": "team-other"},
            ),
        ),
        FORBIDDEN,
        "",
    ),
    "creating an agent of no owner is Forbidden": (review("CREATE", new=BOT), FORBIDDEN, ""),
    "creating an agent of its own owner is harmless": (
        review(
            "CREATE",
            new=thing(
                "ServiceAccount",
                "x",
                labels={"peergate.dev/agent": "true"},
                annotations={"peergate.dev/owner": "team-platform"},
            ),
        ),
        HARMLESS,
        "",
    ),
    "a foreign owner is Forbidden without the tag too, as a namespace may make it an agent": (
        review("CREATE", new=thing("ServiceAccount", "x", annotations={"peergate.dev/owner": "team-other"})),
        FORBIDDEN,
        "",
    ),
    "creating an agent that goes along with another object is Forbidden (T15)": (
        review(
            "CREATE",
            new=thing(
                "ServiceAccount",
                "x",
                labels={"peergate.dev/agent": "true"},
                annotations={"peergate.dev/owner": "team-platform"},
                ownerReferences=[OWNER],
            ),
        ),
        FORBIDDEN,
        "",
    ),
    "making an agent's account anew without its tag is Forbidden (T15)": (
        review("CREATE", new=thing("ServiceAccount", "sibling", namespace="agents"), gate=Gate.IDENTITY),
        FORBIDDEN,
        "",
    ),
    "creating a namespace of agents is Forbidden (T15)": (
        review("CREATE", new=thing("Namespace", "mine", labels={"peergate.dev/agents": "true"})),
        FORBIDDEN,
        "",
    ),
    "creating a protected namespace is harmless": (review("CREATE", new=NAMESPACE), HARMLESS, ""),
    "deleting a namespace of agents is Forbidden (T15)": (
        review("DELETE", old=thing("Namespace", "crew")),
        FORBIDDEN,
        "",
    ),
    "deleting a namespace with a tagged account is Forbidden (T15)": (
        review("DELETE", old=thing("Namespace", "agents")),
        FORBIDDEN,
        "",
    ),
    "having the garbage collector delete it is Forbidden (T15)": (
        review(
            "UPDATE",
            old=thing("Namespace", "agents"),
            new=thing("Namespace", "agents", ownerReferences=[OWNER]),
        ),
        FORBIDDEN,
        "",
    ),
    "deleting a namespace without agents is a Delete": (
        review("DELETE", old=thing("Namespace", "sandbox")),
        DELETE,
        "with all it holds",
    ),
    "a token of an untagged account is Forbidden (T2)": (
        review("CREATE", new=thing("ServiceAccount", "builder"), subresource="token"),
        FORBIDDEN,
        "",
    ),
    "a token of an agent of another owner is Forbidden (T2)": (
        review("CREATE", new=thing("ServiceAccount", "stranger", namespace="agents"), subresource="token"),
        FORBIDDEN,
        "",
    ),
    "a token Secret of an untagged account is Forbidden (T2)": (
        review(
            "CREATE",
            new=thing(
                "Secret",
                annotations={"kubernetes.io/service-account.name": "builder"},
                type="kubernetes.io/service-account-token",
            ),
        ),
        FORBIDDEN,
        "",
    ),
    "a token for joining the cluster is Forbidden (T2)": (
        review(
            "CREATE",
            new=thing(
                "Secret",
                "bootstrap-token-abcdef",
                namespace="kube-system",
                type="bootstrap.kubernetes.io/token",
            ),
            gate=Gate.IDENTITY,
        ),
        FORBIDDEN,
        "",
    ),
    "a token Secret of its own kind is harmless": (
        review(
            "CREATE",
            new=thing(
                "Secret",
                namespace="agents",
                annotations={"kubernetes.io/service-account.name": "sibling"},
                type="kubernetes.io/service-account-token",
            ),
        ),
        HARMLESS,
        "",
    ),
    "an ordinary Secret is harmless": (review("CREATE", new=thing("Secret", type="Opaque")), HARMLESS, ""),
    "binding rights to an untagged account is Forbidden (T2)": (
        review("CREATE", new=binding(account("builder", "shop"))),
        FORBIDDEN,
        "",
    ),
    "binding rights to a user is Forbidden (T2)": (
        review("CREATE", new=binding({"kind": "User", "name": "me"}, kind="ClusterRoleBinding")),
        FORBIDDEN,
        "",
    ),
    "binding rights to a default account is Forbidden, whoever it is now (T2)": (
        review("CREATE", new=binding(account("default", "crew"), kind="ClusterRoleBinding")),
        FORBIDDEN,
        "",
    ),
    "binding rights to agents is harmless": (
        review("CREATE", new=binding(account("bot"), account("stranger"))),
        HARMLESS,
        "",
    ),
    "a subject without namespace is of the binding's": (
        review("CREATE", new=binding({"kind": "ServiceAccount", "name": "builder"})),
        FORBIDDEN,
        "",
    ),
    "a Pod that runs as default is harmless": (review("CREATE", new=pod()), HARMLESS, ""),
    "a Pod that runs as an untagged account is Forbidden (T2)": (
        review("CREATE", new=pod("deployer")),
        FORBIDDEN,
        "",
    ),
    "by the deprecated name too (T2)": (review("CREATE", new=pod(serviceAccount="deployer")), FORBIDDEN, ""),
    "a Pod that mounts no token may name any account": (
        review("CREATE", new=pod("deployer", automountServiceAccountToken=False)),
        HARMLESS,
        "",
    ),
    "a projected token is a token": (
        review(
            "CREATE",
            new=pod(
                "deployer",
                automountServiceAccountToken=False,
                volumes=[{"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}],
            ),
        ),
        FORBIDDEN,
        "",
    ),
    "a projected certificate of the Pod is a token": (
        review(
            "CREATE",
            new=pod(
                "deployer",
                automountServiceAccountToken=False,
                volumes=[{"projected": {"sources": [{"podCertificate": {"keyType": "ED25519"}}]}}],
            ),
        ),
        FORBIDDEN,
        "",
    ),
    "a Pod that runs as an agent of the same owner is harmless": (
        review("CREATE", new=pod("sibling")),
        HARMLESS,
        "",
    ),
    "a Pod that runs as an agent of another owner is Forbidden": (
        review("CREATE", new=pod("stranger")),
        FORBIDDEN,
        "",
    ),
    "a Pod that runs as an agent without owner is Forbidden": (
        review("CREATE", new=pod("ownerless")),
        FORBIDDEN,
        "",
    ),
    "a Deployment's template counts": (review("CREATE", new=templated("deployer")), FORBIDDEN, ""),
    "a PodTemplate counts": (
        review("CREATE", new=thing("Widget", template={"spec": pod("deployer")["spec"]})),
        FORBIDDEN,
        "",
    ),
    "a CronJob's template counts": (
        review(
            "CREATE",
            new=thing("Widget", spec={"jobTemplate": {"spec": templated("deployer")["spec"]}}),
        ),
        FORBIDDEN,
        "",
    ),
    "switching a workload to another account is Forbidden": (
        review("UPDATE", old=templated(), new=templated("deployer")),
        FORBIDDEN,
        "",
    ),
    "newly mounting a token is Forbidden": (
        review(
            "UPDATE",
            old=templated("deployer", automountServiceAccountToken=False),
            new=templated("deployer"),
        ),
        FORBIDDEN,
        "",
    ),
    "a new image of a workload with its own account is a Replace": (
        review(
            "UPDATE", old=templated("deployer"), new=changed(templated("deployer"), "spec", "paused", to=True)
        ),
        REPLACE,
        "",
    ),
    "switching a workload back to default is Forbidden, as its token is new": (
        review("UPDATE", old=templated("sibling"), new=templated()),
        FORBIDDEN,
        "",
    ),
    "a client certificate is Forbidden (T2)": (
        review(
            "CREATE",
            new=thing(
                "CertificateSigningRequest",
                "c",
                spec={"signerName": "kubernetes.io/kube-apiserver-client"},
            ),
        ),
        FORBIDDEN,
        "",
    ),
    "approving a certificate is Forbidden (T2)": (
        review(
            "UPDATE",
            old=thing("CertificateSigningRequest", "c", spec={}),
            new=thing("CertificateSigningRequest", "c", spec={}, status={"x": 1}),
            subresource="approval",
        ),
        FORBIDDEN,
        "",
    ),
    "a serving certificate is harmless to ask for": (
        review(
            "CREATE", new=thing("CertificateSigningRequest", "c", spec={"signerName": "example.com/serving"})
        ),
        HARMLESS,
        "",
    ),
    "the certificate of a Pod is Forbidden to ask for (T2)": (
        review("CREATE", new=thing("PodCertificateRequest", "c")),
        FORBIDDEN,
        "",
    ),
    "also where nobody protects (T2)": (
        review("CREATE", new=thing("PodCertificateRequest", "c"), gate=Gate.IDENTITY),
        FORBIDDEN,
        "",
    ),
    "and to issue (T2)": (
        review(
            "UPDATE",
            old=thing("PodCertificateRequest", "c"),
            new=thing("PodCertificateRequest", "c", status={"certificateChain": "x"}),
            subresource="status",
        ),
        FORBIDDEN,
        "",
    ),
    "an approval on a request for one is harmless": (
        review(
            "UPDATE",
            old=thing("PodCertificateRequest", "c"),
            new=thing("PodCertificateRequest", "c", annotations={"approval.peergate.dev/v1.a": "x"}),
        ),
        HARMLESS,
        "",
    ),
    "a debug container in a Pod of somebody else is Forbidden (T14)": (
        review(
            "UPDATE",
            old=pod("deployer"),
            new=changed(pod("deployer"), "spec", "ephemeralContainers", to=[{"name": "x"}]),
            subresource="ephemeralcontainers",
        ),
        FORBIDDEN,
        "",
    ),
    "a debug container in an agent's Pod is a Replace": (
        review(
            "UPDATE",
            old=pod("sibling"),
            new=changed(pod("sibling"), "spec", "ephemeralContainers", to=[{"name": "x"}]),
            subresource="ephemeralcontainers",
        ),
        REPLACE,
        "",
    ),
    "changing nothing of a Pod's debug containers is harmless": (
        review("UPDATE", old=pod("deployer"), new=pod("deployer"), subresource="ephemeralcontainers"),
        HARMLESS,
        "",
    ),
    "a debug container in a Pod without a token is a Replace": (
        review(
            "UPDATE",
            old=pod("deployer", automountServiceAccountToken=False),
            new=pod("deployer", automountServiceAccountToken=False, ephemeralContainers=[{"name": "x"}]),
            subresource="ephemeralcontainers",
        ),
        REPLACE,
        "",
    ),
    "a role that flows into another is Forbidden (T2)": (
        review("CREATE", new=thing("ClusterRole", "r", labels=AGGREGATED, rules=[{"verbs": ["*"]}])),
        FORBIDDEN,
        "",
    ),
    "letting a role flow into another is Forbidden (T2)": (
        review("UPDATE", old=thing("ClusterRole", "r"), new=thing("ClusterRole", "r", labels=AGGREGATED)),
        FORBIDDEN,
        "",
    ),
    "adding to a role that flows into another is Forbidden (T2)": (
        review(
            "UPDATE",
            old=thing("ClusterRole", "r", labels=AGGREGATED),
            new=thing("ClusterRole", "r", labels=AGGREGATED, rules=[{"verbs": ["*"]}]),
        ),
        FORBIDDEN,
        "",
    ),
    "collecting other roles is Forbidden (T2)": (
        review("CREATE", new=thing("ClusterRole", "r", aggregationRule={"clusterRoleSelectors": [{}]})),
        FORBIDDEN,
        "",
    ),
    "a role that flows nowhere any more is a Replace": (
        review("UPDATE", old=thing("ClusterRole", "r", labels=AGGREGATED), new=thing("ClusterRole", "r")),
        REPLACE,
        "",
    ),
    "an approval on a role that flows into another is harmless": (
        review(
            "UPDATE",
            old=thing("ClusterRole", "r", labels=AGGREGATED),
            new=annotated(thing("ClusterRole", "r", labels=AGGREGATED), **{SLOT: "{}"}),
        ),
        HARMLESS,
        "",
    ),
    "a role is harmless to create": (
        review("CREATE", new=thing("ClusterRole", "r", labels={"a": "true"})),
        HARMLESS,
        "",
    ),
    "changing nothing of a binding is harmless": (
        review("UPDATE", old=binding(account("builder", "shop")), new=binding(account("builder", "shop"))),
        HARMLESS,
        "",
    ),
    # the gate's own kinds, rights and admission
    "a CRD of the gate's group is Forbidden to create (T17)": (
        review("CREATE", new=OWN_CRD),
        FORBIDDEN,
        "",
    ),
    "... to change (T17)": (
        review("UPDATE", old=OWN_CRD, new=changed(OWN_CRD, "spec", "versions", to=[])),
        FORBIDDEN,
        "",
    ),
    "... to change the status of (T17)": (
        review("UPDATE", old=OWN_CRD, new=OWN_CRD, subresource="status"),
        FORBIDDEN,
        "",
    ),
    "... and to delete (T17)": (review("DELETE", old=OWN_CRD, collection=True), FORBIDDEN, ""),
    "so is the API of its group (T19)": (
        review("DELETE", old=thing("APIService", "v1alpha1.peergate.dev", spec={"group": "peergate.dev"})),
        FORBIDDEN,
        "",
    ),
    "a CRD of another group is harmless to create": (
        review("CREATE", new=changed(OWN_CRD, "spec", "group", to="example.com")),
        HARMLESS,
        "",
    ),
    "a new part of the API is Forbidden (T19)": (
        review("CREATE", new=thing("APIService", "v1.example.com", spec={"group": "example.com"})),
        FORBIDDEN,
        "",
    ),
    "admission configuration is Forbidden wherever it is seen (T1)": (
        review("DELETE", old=thing("ValidatingWebhookConfiguration", "peergate")),
        FORBIDDEN,
        "",
    ),
    "taking the operator's rights away is Forbidden (T17)": (
        review("DELETE", old=binding(account("peergate", "peergate-system"), kind="ClusterRoleBinding")),
        FORBIDDEN,
        "",
    ),
    "also in part (T17)": (
        review(
            "UPDATE",
            old=binding(account("bot"), account("peergate", "peergate-system"), kind="ClusterRoleBinding"),
            new=binding(account("bot"), kind="ClusterRoleBinding"),
        ),
        FORBIDDEN,
        "",
    ),
    "taking an agent's is a Delete": (
        review("DELETE", old=binding(account("bot"), kind="ClusterRoleBinding")),
        DELETE,
        "",
    ),
    # elsewhere, only becoming somebody else matters
    "in an open namespace a changed workload is harmless": (
        review(
            "UPDATE", old=templated(), new=changed(templated(), "spec", "paused", to=True), gate=Gate.IDENTITY
        ),
        HARMLESS,
        "",
    ),
    "in an open namespace so are a dropped finalizer, ...": (
        review(
            "UPDATE",
            old=changed(pod(), "metadata", "finalizers", to=["example.com/a"]),
            new=pod(),
            gate=Gate.IDENTITY,
        ),
        HARMLESS,
        "",
    ),
    "... no replicas left ...": (
        review("UPDATE", old=WEB, new=changed(WEB, "spec", "replicas", to=0), gate=Gate.IDENTITY),
        HARMLESS,
        "",
    ),
    "... and an emptied Secret": (
        review("UPDATE", old=thing("Secret", data={"a": "YQ=="}), new=thing("Secret"), gate=Gate.IDENTITY),
        HARMLESS,
        "",
    ),
    # shapes that no API server sends
    "a CRD of a group that is none is harmless to create": (
        review("CREATE", new=changed(OWN_CRD, "spec", "group", to=[])),
        HARMLESS,
        "",
    ),
    "a spec that is a string is a Replace": (
        review("UPDATE", old=thing("Deployment", spec="a"), new=thing("Deployment", spec="b")),
        REPLACE,
        "",
    ),
}


def situation(subject):
    agent = Agent(tag="label", owner="team-platform", display="agents/bot")
    return Situation(review=subject, agent=agent, snapshot=snapshot(approvers=APPROVERS))


@pytest.mark.parametrize(("subject", "effect", "note"), CASES.values(), ids=CASES.keys())
def test_finding(subject, effect, note):
    finding = finding_for(situation(subject))
    assert (finding.effect, finding.note) == (effect, note)
    assert bool(finding.why) is (effect is FORBIDDEN)


@pytest.mark.parametrize(("uid", "effect"), [("uid-sibling", HARMLESS), ("uid-of-another", FORBIDDEN)])
def test_a_token_of_its_own_kind_is_harmless_but_for_an_account_made_anew(uid, effect):
    # A TokenRequest on an account of the same owner makes nobody stronger than the agent already is. Of an
    # account that was deleted and made anew untagged the cache may still hold the tagged one (T15).
    account = thing("ServiceAccount", "sibling", namespace="agents", uid=uid)
    subject = review("CREATE", new=account, subresource="token")
    assert finding_for(situation(subject)).effect is effect


MINE = thing(
    "ServiceAccount",
    "one-more",
    labels={"peergate.dev/agent": "true"},
    annotations={"peergate.dev/owner": "team-platform"},
)
CROWDS = {
    "99 of its owner are not too many": (99, "team-platform", "bot-{}", HARMLESS),
    "100 of its owner are": (100, "team-platform", "bot-{}", FORBIDDEN),
    "999 of others are not too many": (999, "team-other", "bot-{}", HARMLESS),
    "1,000 of others are": (1000, "team-other", "bot-{}", FORBIDDEN),
    "nor are 240 with long names": (240, "team-other", "x" * 195 + "-{:03}", HARMLESS),
    "250 with long names are": (250, "team-other", "x" * 195 + "-{:03}", FORBIDDEN),
}


@pytest.mark.parametrize(("number", "owner", "name", "effect"), CROWDS.values(), ids=CROWDS.keys())
def test_agents_do_not_make_the_gate_wide_by_making_more_of_their_kind(number, owner, name, effect):
    crowd = {("a", name.format(one)): Account(uid="u", tagged=True, owner=owner) for one in range(number)}
    crowd[("a", "person")] = Account(uid="u", tagged=False, owner=owner)
    assert found(review("CREATE", new=MINE), accounts=crowd).effect is effect


def test_the_gravest_finding_wins_and_ties_go_to_the_first():
    first, second = Finding(DELETE, note="a"), Finding(DELETE, note="b")
    assert gravest([Finding(HARMLESS), first, second, Finding(REPLACE)]) is first


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.look.__name__)
def test_every_entry_names_its_source(entry):
    assert entry.look.__doc__
    assert re.search(r"\bT\d+|A37|§1\.4|\(V1\)", entry.look.__doc__)
