"""The peer of prepare.py: the same training sets the straightforward way, a row at a time, with pandas and datasets."""

import itertools
import random
import re
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from datasets import Dataset

from judgeforge.grading.templates import JudgeTemplate, fill, load_template

LEVELS = [f"orig_score{level}_description" for level in range(1, 6)]
TEXTS = ["orig_instruction", "orig_response", "orig_reference_answer", "orig_criteria", *LEVELS, "orig_feedback"]
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(])")
SUBJECT = re.compile(
    r"^(?:(?:the|this) (?:response|answer|assistant)|it)\b(?! is (?:clear|evident|important|worth) that)", re.IGNORECASE
)
INNER_SUBJECT = re.compile(r"\b(?:the|this) (?:response|assistant)\b", re.IGNORECASE)
MOST_WORDS = 60


def load_rows(path: Path) -> pd.DataFrame:
    """Read, check and strip the rows, and drop repeated ones."""
    rows = pd.read_json(path, lines=True, dtype=False)
    rows = rows.dropna(subset=[*TEXTS, "orig_score"])
    for name in TEXTS:
        rows[name] = rows[name].str.strip()
        rows = rows[rows[name] != ""]
    rows = rows[rows["orig_score"].isin(["1", "2", "3", "4", "5"])]
    return rows.drop_duplicates()


def quote(feedback: str, letter: str) -> str:
    """Make the feedback of one response speak of Response A or B, shortened to two sentences."""
    text = " ".join(feedback.split())
    if len(text.split()) > MOST_WORDS:
        sentences = SENTENCE_END.split(text)[:2]
        both = " ".join(sentences)
        kept = both if len(both.split()) <= MOST_WORDS else sentences[0]
        words = kept.split()
        text = kept if len(words) <= MOST_WORDS else " ".join(words[:MOST_WORDS]).rstrip(",;:") + " ..."
    name = f"Response {letter}"
    text, replaced = SUBJECT.subn(name, text, count=1)
    text = INNER_SUBJECT.sub(name, text)
    if not replaced and name not in text:
        text = f"{name}: {text}"
    return text if text[-1] in ".!?" else f"{text}."


def build_pairs(rows: pd.DataFrame, rng: random.Random) -> pd.DataFrame:
    """Pair the responses of each instruction whose scores differ, and compose the feedback of each pair."""
    pairs = []
    for _, group in rows.groupby("orig_instruction", sort=False):
        for one, two in itertools.combinations(group.to_dict("records"), 2):
            if one["orig_score"] == two["orig_score"]:
                continue
            better, worse = (one, two) if one["orig_score"] > two["orig_score"] else (two, one)
            choice = rng.choice("AB")
            a, b = (better, worse) if choice == "A" else (worse, better)
            good = (int(a["orig_score"]) >= 4) + (int(b["orig_score"]) >= 4)
            shared = ("Neither does well, but", "Only one does well:", "Both do well, but")[good]
            quotes = f"{quote(a['orig_feedback'], 'A')} {quote(b['orig_feedback'], 'B')}"
            texts = {"response_a": a["orig_response"], "response_b": b["orig_response"]}
            verdict = {"feedback": f"{quotes} {shared} Response {choice} is better.", "closing": choice}
            pairs.append({**one, **texts, **verdict})
    return pd.DataFrame(pairs)


def render(row: Any, text: str, template: JudgeTemplate) -> list[dict[str, str]]:
    """Render the conversation of one row."""
    fields = {"instruction": row["orig_instruction"], "criteria": row["orig_criteria"]}
    fields |= {f"level_{score}": row[name] for score, name in enumerate(LEVELS, start=1)}
    fields |= {name: row[name] for name in ("response", "response_a", "response_b") if name in row}
    fields["reference_clause"] = template.reference_clause
    fields["reference_section"] = fill(template.reference_section, {"reference": row["orig_reference_answer"]})
    answer = f"{row['feedback']} {template.result_marker} {row['closing']}"
    contents = {"system": template.system, "user": fill(text, fields), "assistant": answer}
    return [{"role": role, "content": content} for role, content in contents.items()]


def write_set(rows: pd.DataFrame, text: str, template: JudgeTemplate, folder: Path) -> None:
    """Render all rows of a set, and write it in a random order."""
    rows = rows.sample(frac=1, random_state=42)
    frame = pd.DataFrame({"prompt_id": rows["orig_instruction"].str.slice(0, 16)})
    frame["messages"] = rows.apply(render, axis=1, args=(text, template))
    folder.mkdir(parents=True)
    Dataset.from_pandas(frame, preserve_index=False).to_parquet(str(folder / "part-00000.parquet"))


def main(source: Path, out: Path) -> None:
    """Build all four sets."""
    rng = random.Random(42)
    template = load_template("judgeforge-1")
    rows = load_rows(source)
    instructions = sorted(rows["orig_instruction"].unique())
    held_back = set(rng.sample(instructions, round(0.05 * len(instructions))))
    pairs = build_pairs(rows, rng)
    direct = rows.rename(columns={"orig_response": "response", "orig_feedback": "feedback", "orig_score": "closing"})
    for name, frame, text in (("direct", direct, template.direct), ("pairwise", pairs, template.pairwise)):
        inside = frame["orig_instruction"].isin(held_back)
        write_set(frame[~inside], text, template, out / name)
        write_set(frame[inside], text, template, out / f"validation_{name}")


if __name__ == "__main__":
    import shutil

    shutil.rmtree(sys.argv[2], ignore_errors=True)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
