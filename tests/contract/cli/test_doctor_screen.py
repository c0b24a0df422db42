"""The doctor's table, whole, at 80 columns; written anew with ``PEERGATE_GOLDEN=write``."""

from __future__ import annotations

import os
from pathlib import Path

import yaml
from tests.support.doctor import account, binding, cluster_binding, cluster_role, known, seen

from peergate.cli.doctor.canary import Outcome, Verdict, canary_findings
from peergate.cli.doctor.finding import ordered
from peergate.cli.doctor.fixing import rights_fixes
from peergate.cli.doctor.gate import configuration_findings
from peergate.cli.doctor.others import aggregated_findings
from peergate.cli.doctor.people import owner_findings
from peergate.cli.doctor.rbac import Rbac
from peergate.cli.doctor.reach import RESIDUAL, tag_findings
from peergate.cli.doctor.rights import judge_rights
from peergate.cli.doctor.screen import document_of, manifests_of, table_of
from peergate.cli.doctor.survey import Survey
from peergate.cli.flags import Globals
from peergate.cli.output import Output
from peergate.gate.access import Right
from peergate.gate.doors import EVERYTHING

_GOLDEN = Path(__file__).parent / "golden"
_BOT, _ROOT = known("ops", "sre-bot"), known("ops", "root\u202ebot", owner="team-a")
_EXTENSION = {"spec": {"group": "x.example.com", "service": {"name": "x"}}}
_RBAC = Rbac(
    cluster_roles=[
        cluster_role("ops", [{"apiGroups": [""], "resources": ["secrets", "pods"], "verbs": ["get"]}]),
        cluster_role("cluster-admin", [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]),
    ],
    bindings=[binding("shop", "ops", "ClusterRole/ops", account("ops", "sre-bot"))],
    cluster_bindings=[cluster_binding("root", "cluster-admin", account("ops", "root\u202ebot"))],
)


def _findings():
    held = {
        _BOT: frozenset({Right("get", "", "secrets", "shop"), Right("create", "", "pods", "shop")}),
        _ROOT: frozenset({EVERYTHING}),
    }
    return ordered(
        [
            *judge_rights(Survey(held=held), rbac=_RBAC),
            *configuration_findings(seen()),
            *aggregated_findings(
                seen(api_services=[{"spec": {"group": "x.example.com", "service": {"name": "x"}}}])
            ),
            *owner_findings(seen(approvers=[]), agents=[_BOT, _ROOT]),
            *tag_findings(seen(accounts={"kube-system/bot": {"tagged": True}})),
            *canary_findings(
                [Verdict(_BOT, "/api/v1/namespaces/shop/configmaps/kube-root-ca.crt", Outcome.ADMITTED)],
                idle=[_ROOT],
                namespace="peergate-system",
            ),
            RESIDUAL,
        ]
    )


def _same(name, text):
    path = _GOLDEN / name
    if os.environ.get("PEERGATE_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_the_table_is_the_golden_one(capsys):
    out = Output(Globals(color="never"))
    out.table(table_of(_findings(), out=out))
    text = capsys.readouterr().out
    for line in text.splitlines():
        assert len(line) <= 80 or "mend: kubectl" in line or "mend: peergate" in line
        assert line.isprintable()
    _same("doctor.txt", text)


def test_colour_says_nothing_of_its_own(capsys):
    plain, painted = Output(Globals(color="never")), Output(Globals(color="always"))
    plain.table(table_of(_findings(), out=plain))
    first = capsys.readouterr().out
    painted.table(table_of(_findings(), out=painted))
    second = capsys.readouterr().out
    assert second != first
    assert second.replace("\x1b[31m", "").replace("\x1b[1m", "").replace("\x1b[0m", "") == first


def test_the_fixes_are_the_golden_ones():
    text = manifests_of(rights_fixes(_RBAC, agents=[_BOT, _ROOT], closing=[_BOT, _ROOT]))
    assert len([one for one in yaml.safe_load_all(text) if one]) == 2
    _same("doctor-fix.yaml", text)


def test_the_document_counts_its_findings():
    document = document_of(_findings(), time="2026-11-23T12:00:00Z")
    assert document["summary"] == {"fail": 5, "warn": 2, "ok": 3}
    assert list(document) == ["apiVersion", "kind", "time", "summary", "findings"]
