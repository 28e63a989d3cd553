"""Self-contained HTML pages: the style that all of them share, and how their templates are filled in.

A page brings its style and plots along: no script, nothing from outside, readable on a phone, in the dark and on paper.
"""

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def build_environment(package: str) -> Environment:
    """Build the environment of a package's own ``templates``, which can include ``style.css`` and ``print.css``.

    Args:
        package: such as ``judgeforge.report``.
    """
    return Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("judgeforge.pages")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
