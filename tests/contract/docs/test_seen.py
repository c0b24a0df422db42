"""What the operator shows of itself is what docs/experience.md says, name by name and both ways."""

from __future__ import annotations

import ast
import re

import aiohttp
from tests.support.documents import ROOT, in_code, section, table
from tests.tools.alerts import ALERTS

from peergate.model.decision import STATUS_REASON_OF, Claim, Facts
from peergate.model.names import ChangeId, Digest
from peergate.observe.metrics import Metrics
from peergate.observe.verdict import Verdict
from peergate.settings import MetricsSettings
from peergate.webhook.health import HealthServer
from peergate.webhook.reply import audit_annotations

CONTROL = ROOT / "operator" / "peergate" / "control"


def paragraph(number: str, title: str) -> str:
    """Return the paragraph of a section that begins with a bold title."""
    [found] = re.findall(rf"^\*\*{title}\*\*.*$", section("experience.md", number), re.MULTILINE)
    return found


# --- metrics: names, types, labels ----------------------------------------------------------------------


def documented_metrics() -> dict[str, tuple[str, tuple[str, ...]]]:
    found = {}
    for names, what, *_ in table(section("experience.md", "3.5"), head="name"):
        kind, _, rest = what.partition(":")
        # What stands in parentheses are values, and after a semicolon buckets.
        labels = in_code(re.sub(r"\([^()]*(\([^()]*\)[^()]*)*\)", "", rest.partition(";")[0]))
        for name in in_code(names):
            found[name] = (kind.strip(), tuple(labels))
    return found


def registered_metrics() -> dict[str, tuple[str, tuple[str, ...]]]:
    found = {}
    for metric in set(Metrics().registry._names_to_collectors.values()):
        name = metric._name + ("_total" if metric._type == "counter" else "")
        found[name] = ("gauge" if metric._type == "info" else metric._type, tuple(metric._labelnames))
    return found


def test_metrics_have_the_documented_names():
    assert set(registered_metrics()) == set(documented_metrics())


def test_metrics_have_the_documented_types_and_labels():
    documented, registered = documented_metrics(), registered_metrics()
    # What a gauge is told by its description has no labels in the table; the version is one.
    documented["peergate_build_info"] = ("gauge", registered["peergate_build_info"][1])
    assert registered == documented


def test_alerts_have_the_documented_names():
    text = paragraph("3.5", "Alerts")
    # The level of a page is an alert of its own in the rules.
    assert {name for name in in_code(text) if name.startswith("Peergate")} == {
        alert.name for alert in ALERTS
    } - {"PeergateVerySlow"}


# --- events --------------------------------------------------------------------------------------------


def posted_reasons() -> set[str]:
    """Return the reasons of all Events that the operator can post, read from where it posts them."""
    found = set()
    for path in CONTROL.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for call in ast.walk(function):
                if isinstance(call, ast.Call):
                    found |= reasons_of(call, function=function)
    return found


def reasons_of(call: ast.Call, *, function: ast.AST) -> set[str]:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name == "Happening":
        [given] = [keyword.value for keyword in call.keywords if keyword.arg == "reason"]
    elif name.endswith("announce"):
        given = call.args[0]
    else:
        return set()
    match given:
        case ast.Constant(value=str(reason)):
            return {reason}
        case ast.Attribute(attr="status_reason"):
            return {str(reason) for reason in STATUS_REASON_OF.values()}
        case ast.Name(id=variable):
            return reasons_assigned(variable, function=function)
    raise AssertionError(f"an Event whose reason can't be read: {ast.unparse(call)}")


def reasons_assigned(variable: str, *, function: ast.AST) -> set[str]:
    """Return the values of the table from which a local variable is taken."""
    [value] = [
        node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        and [target.id for target in node.targets if isinstance(target, ast.Name)] == [variable]
    ]
    [mapping] = [node for node in ast.walk(value) if isinstance(node, ast.Dict)]
    return {str(ast.literal_eval(one)) for one in mapping.values}


def test_events_have_the_documented_reasons():
    text = paragraph("3.6", "Events").partition("Reasons:")[2].partition("A refusal becomes")[0]
    documented = {name for name in in_code(text) if re.fullmatch(r"(?:[A-Z][a-z]+){2,}", name)}
    documented |= {in_code(row[2])[0] for row in table(section("experience.md", "1.4"), head="state")}
    assert posted_reasons() == documented


# --- audit annotations, health -------------------------------------------------------------------------


def test_audit_annotations_have_the_documented_keys():
    claim = Claim(payload=Digest("0" * 64), slot="a", approver="alice", key_id="k", expires="")
    facts = Facts(
        agent_tag="label", rules=("a/0",), change_id=ChangeId("cr-x"), counted=(claim,), command="id"
    )
    shown = audit_annotations(Verdict("allow", "approved", "ApprovalMissing", facts), suffix="")
    text = paragraph("3.6", "Audit annotations").partition("<gate>/<key>`:")[2].partition("Within")[0]
    documented = [name for name in in_code(text) if re.fullmatch(r"[a-z-]+", name)]
    assert sorted(shown) == sorted(documented)


async def test_health_end_points_are_the_documented_ones():
    documented = [word for word in in_code(paragraph("3.6", "Health")) if word.startswith("/")]
    assert documented == ["/livez", "/readyz?verbose", "/metrics"]
    settings = MetricsSettings(host="127.0.0.1", port=0)
    server = HealthServer({"one": lambda: ""}, settings=settings, metrics=Metrics())
    async with server.serving(), aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as client:
        for path, code in (*((path, 200) for path in documented), ("/", 404), ("/healthz", 404)):
            async with client.get(path) as answer:
                assert answer.status == code, path
