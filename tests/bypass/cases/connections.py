"""T14: into what runs, where no review can see what is done. Without nodes no connection comes about.

So the control arm shows that the API server goes on to look for the Pod's node, and the guarded one that it
was stopped before.
"""

from __future__ import annotations

from tests.bypass.acts import sent, typed
from tests.bypass.bodies import SERVICE
from tests.bypass.model import Arm, Case, refused_by
from tests.bypass.things import node, pod, there

POD = "/api/v1/namespaces/{ns}/pods/{name}"


def reached(arm: Arm) -> bool:
    """Tell whether the request went past admission."""
    return bool(arm.answers) and not refused_by(arm.answers)


def node_and_pod(arm: Arm) -> tuple[str, ...]:
    """Arrange a Pod that waits for a scheduler of its own, and a Node."""
    node(arm)
    return pod(schedulingGates=[], schedulerName="example.com/none")(arm)


CASES = (
    Case(
        "T14 T20",
        "binds a waiting Pod to a node",
        sent(
            "POST",
            POD + "/binding",
            {
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": {"name": "{name}"},
                "target": {"apiVersion": "v1", "kind": "Node", "name": "{name}"},
            },
        ),
        node_and_pod,
    ),
    Case(
        "T14 T20",
        "binds a waiting Pod to a node by a Binding",
        sent(
            "POST",
            "/api/v1/namespaces/{ns}/bindings",
            {
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": {"name": "{name}"},
                "target": {"apiVersion": "v1", "kind": "Node", "name": "{name}"},
            },
        ),
        node_and_pod,
    ),
    Case(
        "T14 DO19",
        "attaches to a Pod by POST",
        sent("POST", POD + "/attach", None, stdin="true"),
        pod(),
        worked=reached,
    ),
    Case(
        "T14 DO19",
        "runs a command in a Pod",
        typed("kubectl -n {ns} exec {name} -- true"),
        pod(),
        worked=reached,
    ),
    Case(
        "T14 DO19",
        "attaches to a Pod",
        sent("GET", POD + "/attach", None, stdout="true"),
        pod(),
        worked=reached,
    ),
    Case(
        "T14 DO19",
        "forwards a port of a Pod",
        sent("GET", POD + "/portforward", None, ports="8080"),
        pod(),
        worked=reached,
    ),
    Case(
        "T14 DO19",
        "speaks to a Pod through the API server",
        sent("DELETE", POD + "/proxy/data"),
        pod(),
        worked=reached,
    ),
    Case(
        "T14 DO19",
        "speaks to a Service through the API server",
        sent("GET", "/api/v1/namespaces/{ns}/services/{name}/proxy/"),
        there(SERVICE),
        worked=reached,
    ),
    Case(
        "T14 DO19 T20",
        "speaks to a node's kubelet",
        sent("GET", "/api/v1/nodes/{name}/proxy/pods"),
        node,
        worked=reached,
    ),
    Case(
        "T14 DO19",
        "puts a debug container into a Pod",
        sent(
            "PATCH",
            POD + "/ephemeralcontainers",
            {"spec": {"ephemeralContainers": [{"name": "debug", "image": "example.invalid/none:1"}]}},
            as_="application/strategic-merge-patch+json",
        ),
        pod(),
    ),
    Case(
        "T14 DO19",
        "types a debug container into a Pod",
        typed("kubectl -n {ns} debug pod/{name} --image=example.invalid/none:1 --attach=false"),
        pod(),
    ),
    Case(
        "U1",
        "resizes a Pod",
        sent(
            "PATCH",
            POD + "/resize",
            {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1m"}}}]}},
            as_="application/strategic-merge-patch+json",
        ),
        pod(
            containers=[
                {"name": "c", "image": "example.invalid/none:1", "resources": {"requests": {"cpu": "2m"}}}
            ]
        ),
    ),
)
