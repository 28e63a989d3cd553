"""What is worth learning: checks of the rows, what they found, and the page and card that tell it to people."""

from judgeforge.prepare.quality.card import render_data_card
from judgeforge.prepare.quality.checks import Decision, RowChecks
from judgeforge.prepare.quality.findings import build_position_finding, require_passed
from judgeforge.prepare.quality.page import render_data_page
from judgeforge.prepare.quality.profile import compute_profile

__all__ = [
    "Decision",
    "RowChecks",
    "build_position_finding",
    "compute_profile",
    "render_data_card",
    "render_data_page",
    "require_passed",
]
