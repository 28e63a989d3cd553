"""What is worth learning once: repeated rows are dropped; several graders of one response are kept."""

from collections.abc import Sequence

from judgeforge.prepare.sources import FeedbackRow


def drop_duplicates(rows: Sequence[FeedbackRow]) -> list[FeedbackRow]:
    """Keep the first of the rows that agree in instruction, response, rubric, score and feedback."""
    first = {(row.instruction, row.response, row.rubric, row.score, row.feedback): row for row in reversed(rows)}
    kept = {id(row) for row in first.values()}
    return [row for row in rows if id(row) in kept]
