"""What ``judgeforge retrain`` shows in the end: the report's own table, from the places that dvc.yaml names."""

import shutil
from pathlib import Path

import yaml
from small_evaluation import MATRIX, write_inputs

from judgeforge.cli.retrain import _show_results

ROOT = Path(__file__).parents[3]


def test_the_table_of_the_report_is_shown_where_nothing_had_to_run(tmp_path: Path, monkeypatch, capsys) -> None:
    write_inputs(tmp_path)
    (tmp_path / "data").mkdir()
    shutil.move(tmp_path / "statistics.json", tmp_path / "data" / "statistics.json")
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8")) | {"matrix": MATRIX.model_dump(mode="json")}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    outs = [{"path": "reports/report.html"}, {"path": "reports/metrics.json"}]
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"stages": {"report": {"cmd": "r", "outs": outs}}}))
    monkeypatch.chdir(tmp_path)
    _show_results()
    shown = capsys.readouterr().out
    assert "The judges side by side, clean mode" in shown and "merged" in shown
    assert "The report is at reports/report.html." in shown
