"""The transformers engine on a miniature model: order, batching, early stop, limits."""

from pathlib import Path

import pytest

from judgeforge.engines.protocol import Conversation
from judgeforge.engines.transformers import TransformersEngine, _StopAfterVerdict
from judgeforge.errors import InputError


def build(folder: Path, template, **overrides) -> TransformersEngine:
    options = {
        "batch_size": 3,
        "max_new_tokens": 8,
        "max_prompt_tokens": 500,
        "temperature": 0.0,
        "top_p": 1.0,
        "repetition_penalty": 1.0,
        "seed": 1,
        "dtype": "float32",
        "cpu_threads": 1,
    }
    return TransformersEngine(folder, template=template, **(options | overrides))


def ask(*lengths: int, format: str = "direct") -> list[Conversation]:
    return [
        Conversation(format=format, messages=({"role": "user", "content": f"{length} " + "x" * length},))
        for length in lengths
    ]


def test_batches_give_what_single_prompts_give(miniature, template):
    conversations = ask(5, 80, 20, 40, 60)
    together = dict(build(miniature, template).complete(conversations))
    alone = dict(build(miniature, template, batch_size=1).complete(conversations))
    assert together == alone
    assert sorted(together) == [0, 1, 2, 3, 4]
    assert all(completion.output_tokens <= 8 for completion in together.values())


def test_too_long_prompts_are_not_run_and_are_said(miniature, template):
    found = dict(build(miniature, template, max_prompt_tokens=100).complete(ask(5, 300)))
    assert found[1].finish == "prompt_too_long" and found[1].text == ""
    assert found[0].finish == "length"


def test_each_conversation_is_answered_once_whatever_its_format_and_length(miniature, template):
    conversations = ask(300, 5, 7, 9) + ask(6, 400, 8, 10, format="pairwise")
    answers = list(build(miniature, template, max_prompt_tokens=100).complete(conversations))
    assert sorted(index for index, _ in answers) == list(range(8))
    assert {index for index, completion in answers if completion.finish == "prompt_too_long"} == {0, 5}


def test_a_batch_holds_one_format(miniature, template, monkeypatch):
    batches = []
    decode = TransformersEngine._decode
    monkeypatch.setattr(
        TransformersEngine,
        "_decode",
        lambda engine, prompts, kind: batches.append((kind, len(prompts))) or decode(engine, prompts, kind),
    )
    engine = build(miniature, template, batch_size=3)
    assert len(list(engine.complete(ask(5, 6, 7, 8) + ask(5, 6, 7, 8, format="pairwise")))) == 8
    assert sorted(batches) == [("direct", 1), ("direct", 3), ("pairwise", 1), ("pairwise", 3)]


def test_sampling_is_repeatable_by_seed(miniature, template):
    options = {"temperature": 1.0, "max_new_tokens": 20}
    texts = [dict(build(miniature, template, seed=seed, **options).complete(ask(9)))[0].text for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_a_row_stops_once_its_verdict_is_whole(miniature, template):
    engine = build(miniature, template)
    tokenizer = engine._tokenizer
    texts = ["Good. [RESULT] 4", "Good. [RESULT] ", "[RESULT] A good", "Good. It has 4 x"]
    width = max(len(tokenizer.encode(text)) for text in texts)
    ids = tokenizer.pad({"input_ids": [tokenizer.encode(text) for text in texts]}, return_tensors="pt")["input_ids"]
    stop = _StopAfterVerdict(tokenizer, "direct", template.result_marker, 0)
    assert ids.shape[1] == width
    assert stop(ids, None).tolist() == [True, False, False, False]


def test_the_prompt_never_counts_as_a_verdict(miniature, template):
    engine = build(miniature, template)
    ids = engine._tokenizer("x [RESULT] 5", return_tensors="pt")["input_ids"]
    stop = _StopAfterVerdict(engine._tokenizer, "direct", template.result_marker, ids.shape[1])
    assert stop(ids, None).tolist() == [False]


def test_no_conversations_no_completions(miniature, template):
    assert list(build(miniature, template).complete([])) == []


def test_a_missing_judge_and_a_missing_base_are_named(tmp_path, template, train):
    with pytest.raises(InputError, match="no judge in"):
        build(tmp_path / "absent", template)
    adapter = train(tmp_path / "judge")
    with pytest.raises(InputError, match=r"base model .*nowhere of the adapter"):
        build(adapter, template, base_folder=tmp_path / "nowhere")
