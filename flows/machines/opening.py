"""Which provider answers: a second one is a line here, a file beside aws.py, and a folder below infra/terraform."""

from flows.machines.aws import AwsCloud
from flows.machines.cloud import Cloud
from flows.machines.site import Site
from judgeforge.errors import InputError


def open_cloud(provider: str, site: Site) -> Cloud:
    """Return the provider's answers.

    Raises:
        InputError: nobody raises machines of this provider, or what it needs is not installed.
    """
    if provider == "aws":
        return AwsCloud(site)
    raise InputError(f"Machines of provider {provider} are not raised here.", "set runner.provider to aws.")
