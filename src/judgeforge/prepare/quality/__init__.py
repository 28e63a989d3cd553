"""What is worth learning: checks of the rows, what they found, and the page and card that tell it to people."""

from judgeforge.prepare.quality.checks import Checked, check_rows
from judgeforge.prepare.quality.findings import build_position_finding, require_passed

__all__ = ["Checked", "build_position_finding", "check_rows", "require_passed"]
