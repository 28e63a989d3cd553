"""The transformers engine on a miniature model: order, batching, early stop, limits."""

from pathlib import Path

import pytest
import torch

from judgeforge.engines.closing import Closing
from judgeforge.engines.decoding import Row
from judgeforge.engines.protocol import Conversation, Generation
from judgeforge.engines.transformers import TransformersEngine
from judgeforge.errors import InputError
from judgeforge.grading.parsing import parse_verdict
from judgeforge.grading.records import Scale, list_verdicts
from judgeforge.grading.rendering import render_chat

GREEDY = {
    "max_new_tokens": 8,
    "max_prompt_tokens": 500,
    "temperature": 0.0,
    "top_p": 1.0,
    "repetition_penalty": 1.0,
    "seed": 1,
}


def build(folder: Path, template, *, batch_size: int = 3, base_folder=None, **decoding) -> TransformersEngine:
    generation = Generation.model_validate(GREEDY | decoding)
    options = {"batch_size": batch_size, "dtype": "float32", "cpu_threads": 1, "base_folder": base_folder}
    return TransformersEngine(folder, template=template, generation=generation, **options)


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


@pytest.mark.parametrize("penalty", [1.0, 1.3])
def test_rows_that_come_and_go_give_what_generate_gives(miniature, template, penalty):
    """Many short and long prompts through few rows, against transformers' own greedy decoding one by one."""
    engine = build(miniature, template, batch_size=4, max_new_tokens=24, repetition_penalty=penalty)
    conversations = ask(*range(5, 120, 9)) + ask(7, 33, 90, format="pairwise")
    found = dict(engine.complete(conversations))
    lengths = set()
    for index, conversation in enumerate(conversations):
        text = render_chat(engine._tokenizer, list(conversation.messages))
        ids = engine._tokenizer(text, add_special_tokens=False, return_tensors="pt")
        options = {"do_sample": False, "max_new_tokens": 24, "repetition_penalty": penalty}
        with torch.inference_mode():
            output = engine._model.generate(**ids, **options, pad_token_id=engine._tokenizer.pad_token_id)
        expected = engine._tokenizer.decode(output[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)
        assert found[index].text == expected
        lengths.add(found[index].prompt_tokens)
    assert len(lengths) > 8


def test_a_sample_does_not_depend_on_its_neighbours(miniature, template):
    options = {"temperature": 1.0, "max_new_tokens": 20}
    conversations = ask(5, 80, 20, 40, 60)
    together = dict(build(miniature, template, **options).complete(conversations))
    for index, conversation in enumerate(conversations):
        assert dict(build(miniature, template, **options).complete([conversation]))[0].text == together[index].text


def test_samples_of_one_prompt_differ_and_are_read_once(miniature, template, monkeypatch):
    engine = build(miniature, template, temperature=1.0, max_new_tokens=20)
    (conversation,) = ask(30)
    read = []
    forward = engine._model.forward
    monkeypatch.setattr(
        engine._model, "forward", lambda **inputs: read.append(inputs["input_ids"].shape) or forward(**inputs)
    )
    samples = [conversation.model_copy(update={"sample": number}) for number in range(3)]
    texts = {completion.text for _, completion in engine.complete(samples)}
    assert len(texts) == 3
    assert [shape[0] for shape in read if shape[1] > 1] == [1]


def test_sampling_is_repeatable_by_seed(miniature, template):
    options = {"temperature": 1.0, "max_new_tokens": 20}
    texts = [dict(build(miniature, template, seed=seed, **options).complete(ask(9)))[0].text for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def watch(engine: TransformersEngine, text: str, prompt: str = "x", **decoding) -> bool:
    closing = Closing(
        engine._tokenizer, engine._marker, Generation.model_validate(GREEDY | {"max_new_tokens": 99} | decoding), FORMAT
    )
    row = Row(0, engine._tokenizer.encode(prompt), torch.Generator(), output=engine._tokenizer.encode(text))
    closing.watch([row])
    return row.done


def FORMAT(index: int) -> str:  # noqa: N802
    return "direct"


@pytest.mark.parametrize(
    ("text", "done"),
    [
        ("Good. [RESULT] 4\n", True),
        ("Good. [RESULT] 9\n", True),
        ("Good. [RESULT] 4", False),
        ("Good. [RESULT] ", False),
        ("Good. It has 4\n", False),
    ],
)
def test_a_row_stops_once_its_verdict_is_settled(miniature, template, text, done):
    assert watch(build(miniature, template), text) is done


def test_the_prompt_never_counts_as_a_verdict(miniature, template):
    assert not watch(build(miniature, template), "Good.", prompt="x [RESULT] 5\n")


def test_the_verdicts_probabilities_are_those_of_the_models_logits(miniature, template):
    engine = build(miniature, template, expectation=True, constrained=True, max_new_tokens=40)
    (completion,) = dict(engine.complete(ask(30))).values()
    assert completion.finish == "verdict"
    text = completion.text
    assert sum(completion.probabilities.values()) == pytest.approx(1)
    assert list(completion.probabilities) == ["1", "2", "3", "4", "5"]
    # Greedy under the constraint: the verdict is the most probable one.
    score = parse_verdict(text, "direct", template.result_marker).score
    assert max(completion.probabilities, key=completion.probabilities.get) == str(score)


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_under_the_constraint_nothing_is_unparsable(miniature, template, temperature):
    """A random model never writes the marker by itself."""
    engine = build(miniature, template, constrained=True, temperature=temperature, max_new_tokens=24)
    conversations = ask(5, 40, 90) + ask(6, 41, 91, format="pairwise")
    free = dict(build(miniature, template, max_new_tokens=24).complete(conversations))
    assert {completion.finish for completion in free.values()} <= {"length", "end"}
    for index, completion in engine.complete(conversations):
        assert parse_verdict(completion.text, conversations[index].format, template.result_marker).parsed
        assert completion.output_tokens <= 24


def test_no_conversations_no_completions(miniature, template):
    assert list(build(miniature, template).complete([])) == []


def test_a_missing_judge_and_a_missing_base_are_named(tmp_path, template, train):
    with pytest.raises(InputError, match="no judge in"):
        build(tmp_path / "absent", template)
    adapter = train(tmp_path / "judge")
    with pytest.raises(InputError, match=r"base model .*nowhere of the adapter"):
        build(adapter, template, base_folder=tmp_path / "nowhere")


def test_under_the_constraint_a_judge_that_would_end_its_turn_closes_with_the_marker(miniature, template):
    engine = build(miniature, template, constrained=True)
    tokenizer = engine._tokenizer
    generation = Generation.model_validate(GREEDY | {"max_new_tokens": 99, "constrained": True})
    closing = Closing(tokenizer, engine._marker, generation, FORMAT)
    row = Row(0, tokenizer.encode("x"), torch.Generator(), output=tokenizer.encode("Good."))
    wants_to_end = torch.zeros(len(tokenizer))
    wants_to_end[tokenizer.eos_token_id] = 5.0
    for _ in range(60):
        row.output.append(int(closing.choose(row, wants_to_end).argmax()))
        closing.watch([row])
        if row.done:
            break
    assert tokenizer.decode(row.output).startswith("Good. [RESULT]")
    assert parse_verdict(tokenizer.decode(row.output), "direct", "[RESULT]").parsed


def on_scale(lowest: int, highest: int, *lengths: int) -> list[Conversation]:
    return [each.model_copy(update={"scale": Scale(lowest, highest)}) for each in ask(*lengths)]


def test_verdicts_are_constrained_to_the_scale_of_their_item(miniature, template):
    engine = build(miniature, template, constrained=True, expectation=True, temperature=1.5, max_new_tokens=24)
    conversations = [*on_scale(0, 1, *range(5, 25)), *on_scale(6, 9, 30), *ask(31, format="pairwise")]
    for index, completion in engine.complete(conversations):
        asked = conversations[index]
        verdict = parse_verdict(completion.text, asked.format, template.result_marker, asked.scale)
        assert verdict.parsed
        assert list(completion.probabilities) == [*list_verdicts(asked.format, asked.scale)]
        assert sum(completion.probabilities.values()) == pytest.approx(1)


@pytest.mark.parametrize("wish", ["constrained", "expectation"])
def test_a_score_of_several_tokens_is_refused_by_name_where_tokens_are_weighed(miniature, template, wish):
    engine = build(miniature, template, **{wish: True})
    with pytest.raises(InputError, match=r"from 1 to 10 cannot be weighed .*: 10 is more than one token"):
        next(engine.complete([*ask(5), *on_scale(1, 10, 6)]))
    assert len(dict(build(miniature, template).complete(on_scale(1, 10, 6)))) == 1
