"""``peergate policy``: try protection policies before they are applied."""

from __future__ import annotations

import click

from peergate.cli.flags import cluster_flags, file_option, globals_of, output_flag
from peergate.cli.lazy import Command
from peergate.cli.output import Output

__all__ = ["policy"]


@click.group
@cluster_flags
def policy() -> None:
    """Try protection policies before they are applied."""


@policy.command(cls=Command)
@click.argument("paths", nargs=-1, required=True, type=click.Path(allow_dash=True), metavar="POLICY...")
@file_option(
    "--review",
    metavar="FILE|-",
    help="An AdmissionReview, as the API server sends it.",
)
@click.option("--request", metavar="TEXT", help="In words: delete TYPE/NAME, replace, create.")
@file_option(
    "-f",
    "--filename",
    "file",
    help="With --request: the object.",
)
@file_option("--live", help="With replace: the object as it is now.")
@click.option("--labels", metavar="K=V,...", default="", help="Labels of the object.")
@click.option("--namespace-labels", metavar="K=V,...", default="", help="Labels of its namespace.")
@click.option("--owner", metavar="TEXT", default="", help="Who answers for the agent.")
@click.option("--expect", type=click.Choice(["allow", "deny"]), help="Else exit with 3.")
@output_flag("text", "json", default="text")
@cluster_flags
@click.pass_context
def test(  # noqa: PLR0917 - click passes every option by name
    context: click.Context,
    paths: tuple[str, ...],
    review: str | None,
    request: str | None,
    file: str | None,
    live: str | None,
    labels: str,
    namespace_labels: str,
    owner: str,
    expect: str | None,
    output: str,
) -> int:
    r"""Say what the gate would answer, without a cluster.

    POLICY is a file or a folder of manifests. The requester counts as an agent, the namespace as protected;
    the verdict comes from the very function that judges at admission. Exit code 3: the verdict is not the
    expected one, or a policy is invalid.

    \b
    peergate policy test policies/ --request 'delete deploy/web' \
        --as system:serviceaccount:agents:bot -n shop --expect deny
    peergate policy test policies/ --review review.json
    """
    from peergate.cli.imagined import Imagined  # noqa: PLC0415 - help and completion start without it
    from peergate.cli.policy_trial import try_policies  # noqa: PLC0415 - as above

    return try_policies(
        Output(globals_of(context)),
        paths=paths,
        imagined=Imagined(
            review=review,
            request=request,
            file=file,
            live=live,
            labels=labels,
            namespace_labels=namespace_labels,
            owner=owner,
        ),
        expect=expect,
        as_json=output == "json",
    )
