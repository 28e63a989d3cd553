"""Models that take no system message, and tokens that begin a text: training and judging see the same tokens."""

import pytest
import torch
from tokenizers.processors import TemplateProcessing

from judgeforge.base.miniature import build_miniature
from judgeforge.engines.protocol import Conversation, Generation
from judgeforge.engines.transformers import TransformersEngine, load_judge_tokenizer
from judgeforge.train.dataset import load_examples
from judgeforge.train.model import load_tokenizer
from judgeforge.train.tokens import TokenRows, tokenize_examples

REFUSAL = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
GEMMA_LIKE = (
    "{{ bos_token }}" + REFUSAL + "{% for message in messages %}"
    "{{ '<turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\\n' }}"
    "{{ message['content'] | trim }}{{ '</turn>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<turn>model\\n' }}{% endif %}"
)
MISTRAL_LIKE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate user/assistant') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% else %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}"
)
SILENT = "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\\n' }}{% endfor %}"
"""Writes no token that begins a text."""
TEMPLATES = {"gemma": GEMMA_LIKE, "mistral": MISTRAL_LIKE, "silent": SILENT}
GENERATION = Generation(
    max_new_tokens=2, max_prompt_tokens=4000, temperature=0.0, top_p=1.0, repetition_penalty=1.0, seed=1
)


@pytest.fixture(params=TEMPLATES)
def base(request, tmp_path):
    """A miniature with another chat template, whose tokenizer puts a token before every text unless told not to."""
    build_miniature(tmp_path, "float32", seed=0)
    tokenizer = load_tokenizer(tmp_path)
    tokenizer.chat_template = TEMPLATES[request.param]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", tokenizer.bos_token_id)]
    )
    tokenizer.save_pretrained(tmp_path)
    assert load_tokenizer(tmp_path)("x")["input_ids"][0] == tokenizer.bos_token_id, "it would, if it were let"
    return request.param, tmp_path


def read_by_judge(folder, template, messages) -> list[int]:
    """Catch the tokens that the model is given when it judges."""
    engine = TransformersEngine(
        folder, template=template, generation=GENERATION, batch_size=1, dtype="float32", cpu_threads=1
    )
    seen: list[torch.Tensor] = []
    forward = engine._model.forward
    engine._model.forward = lambda *parts, **named: (seen.append(named["input_ids"]), forward(*parts, **named))[1]
    list(engine.complete([Conversation(messages=messages, format="direct", scale=(1, 5), sample=0)]))
    return seen[0][0].tolist()


def test_training_and_judging_read_the_same_tokens(base, training_sets, template):
    name, folder = base
    example = load_examples(training_sets, "direct")[0]
    row = TokenRows(*tokenize_examples([example], load_tokenizer(folder), 4000))[0]
    ids = row["input_ids"].tolist()
    prompt = ids[: -row["completion_length"]]
    assert prompt == read_by_judge(folder, template, example.messages[:-1])
    tokenizer = load_judge_tokenizer(folder)
    begun = 0 if name == "silent" else 1
    assert prompt.count(tokenizer.bos_token_id) == begun, "as the chat template has it: neither twice nor left out"
    assert prompt[:1].count(tokenizer.bos_token_id) == begun
    assert ids[-row["completion_length"] :].count(tokenizer.bos_token_id) == 0


def test_the_system_text_stands_at_the_head_of_the_users(base, training_sets):
    name, folder = base
    tokenizer, example = load_tokenizer(folder), load_examples(training_sets, "direct")[0]
    row = TokenRows(*tokenize_examples([example], tokenizer, 4000))[0]
    system, user, answer = (message["content"] for message in example.messages)
    expected = {
        "gemma": f"<|im_start|><turn>user\n{system}\n\n{user.strip()}</turn>\n<turn>model\n{answer}<|im_end|>",
        "mistral": f"<|im_start|>[INST] {system}\n\n{user} [/INST]{answer}<|im_end|>",
        "silent": f"system: {system}\nuser: {user}\n{answer}<|im_end|>",
    }
    assert tokenizer.decode(row["input_ids"]) == expected[name]
