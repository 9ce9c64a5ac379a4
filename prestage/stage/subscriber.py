"""Another team's stack beside Prestage's: examples/subscriber, in an environment of its own."""

from pathlib import Path

from prestage.contract_files import ROOT
from prestage.stage.consumer import build_wheel, make_environment
from prestage.stage.deployment import Deployment
from prestage.stage.stage import Stage

EXAMPLE = ROOT / "examples/subscriber"
STACK = "smoke"
CHECK = "smoke"
"""The name of the check that it reports."""


def deploy_subscriber(stage: Stage, code: Path = EXAMPLE / "smoke") -> Deployment:
    """Deploy it, as its team would: from its own template, with the wheel and nothing else of Prestage's.

    Args:
        stage: whose functions are not fed yet.
        code: the folder of its function.

    Raises:
        ConsumerError: its environment can't be made.
    """
    folder = stage.folder / STACK
    python = make_environment(folder / "venv", build_wheel(folder / "dist"), "subscriber")
    return stage.beside(
        EXAMPLE / "template.yaml",
        name=STACK,
        code=code,
        python=str(python),
        parameters={"PrestageBus": stage.deployment.outputs["BusName"]},
    )
