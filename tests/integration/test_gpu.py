"""The transformers engine where there is a GPU: the same answers as the library's own decoding."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from judgeforge.engines.protocol import Conversation, Generation
from judgeforge.engines.transformers import TransformersEngine
from judgeforge.grading.parsing import parse_verdict
from judgeforge.grading.rendering import render_chat

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")]

GREEDY = {"max_new_tokens": 24, "max_prompt_tokens": 400, "temperature": 0.0, "top_p": 1.0}
GREEDY |= {"repetition_penalty": 1.0, "seed": 1}
OPTIONS = {"batch_size": 3, "dtype": "float32", "cpu_threads": None}


def ask() -> list[Conversation]:
    return [
        Conversation(format=("direct", "pairwise")[n % 2], messages=({"role": "user", "content": "x " * (5 * n + 1)},))
        for n in range(7)
    ]


def test_greedy_answers_are_those_of_generate(miniature, template):
    engine = TransformersEngine(miniature, template=template, generation=Generation(**GREEDY), **OPTIONS)
    found = dict(engine.complete(ask()))
    tokenizer = AutoTokenizer.from_pretrained(miniature)
    model = AutoModelForCausalLM.from_pretrained(miniature, dtype=torch.float32).to("cuda")
    for index, conversation in enumerate(ask()):
        text = render_chat(tokenizer, list(conversation.messages))
        ids = tokenizer(text, return_tensors="pt", add_special_tokens=False).to("cuda")
        output = model.generate(**ids, max_new_tokens=GREEDY["max_new_tokens"], do_sample=False)
        own = tokenizer.decode(output[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)
        assert own.startswith(found[index].text)


def test_constrained_answers_all_parse(miniature, template):
    generation = Generation(**GREEDY, constrained=True, expectation=True)
    engine = TransformersEngine(miniature, template=template, generation=generation, **OPTIONS)
    for index, completion in engine.complete(ask()):
        assert parse_verdict(completion.text, ask()[index].format, template.result_marker).parsed
        assert sum(completion.probabilities.values()) == pytest.approx(1)
