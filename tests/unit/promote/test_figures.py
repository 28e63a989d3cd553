from pathlib import Path
from typing import Any

import pytest

from judgeforge.errors import InputError
from judgeforge.files import write_json
from judgeforge.promote.figures import load_metrics


def test_metrics_are_read_from_the_reports_file_without_its_differences(tmp_path: Path) -> None:
    entry = {
        "format": "direct",
        "unparsable_rate": 0.0,
        "items": 3,
        "metrics": {"pearson": {"value": 0.5, "low": 0.1, "high": 0.9}},
    }
    write_json(tmp_path / "metrics.json", {"merged": {"d": entry}, "differences": {"any": ["thing"]}})
    metrics = load_metrics(tmp_path / "metrics.json")
    assert list(metrics) == ["merged"]
    assert metrics["merged"]["d"].metrics["pearson"].value == 0.5


@pytest.mark.parametrize("document", [{"merged": 1}, {"merged": {"d": {"format": "direct"}}}])
def test_metrics_of_another_shape_are_refused(tmp_path: Path, document: Any) -> None:
    write_json(tmp_path / "metrics.json", document)
    with pytest.raises(InputError, match="not a table of judges' metrics"):
        load_metrics(tmp_path / "metrics.json")
