"""Teachers that ask a model for what a collection lacks: feedback, rubrics, reference answers (docs/teacher.md)."""

from pathlib import Path

from judgeforge.params.teacher import TeacherParams
from judgeforge.prepare.feedback import OfflineTeacher, Teacher


def build_teacher(params: TeacherParams, *, cache: Path, batches: Path) -> Teacher:
    """Build the teacher that ``params`` names.

    Args:
        params: the section ``prepare.teacher``.
        cache: file of all answers that were ever paid for.
        batches: folder of batch files.

    Raises:
        InputError: settings, templates or keys cannot be used.
    """
    if params.kind == "offline":
        return OfflineTeacher()
    # Not above: what asks endpoints takes a while to load, and most builds need none of it.
    if params.kind == "batch":
        from judgeforge.prepare.teacher.batch import BatchTeacher  # noqa: PLC0415

        return BatchTeacher(params, cache, batches)
    from judgeforge.prepare.teacher.endpoint import EndpointTeacher  # noqa: PLC0415

    return EndpointTeacher(params, cache)
