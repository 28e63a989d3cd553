"""The budget counts what training will see, token for token."""

from judgeforge.grading.records import DirectItem, Rubric, Verdict
from judgeforge.prepare.contract.budget import fit_to_budget
from judgeforge.prepare.contract.tokens import load_token_counter
from judgeforge.train.dataset import load_examples
from judgeforge.train.model import load_tokenizer
from judgeforge.train.tokens import TokenRows, tokenize_examples


def test_the_budget_counts_as_training_does(miniature, training_sets, template) -> None:
    examples = load_examples(training_sets, "joint")
    trained = TokenRows(*tokenize_examples(examples, load_tokenizer(miniature), 10**6))
    count = load_token_counter(miniature)
    counted = count([(list(each.messages[:-1]), each.messages[-1]["content"]) for each in examples])
    assert counted == trained.lengths
    assert count([]) == []


def test_a_real_tokenizers_budget_is_used_up(miniature, template) -> None:
    rubric = Rubric(criteria="Good?", levels=("1", "2", "3", "4", "5"))
    response = " ".join(f"Word {number} of é and ☃." for number in range(60))
    item = DirectItem(item_id="", prompt_id="", instruction="Tell.", response=response, rubric=rubric)
    verdict = Verdict(feedback="Long.", score=2)
    count = load_token_counter(miniature)
    (whole,) = fit_to_budget([(item, verdict)], template, count, 10**6, "drop")
    (cut,) = fit_to_budget([(item, verdict)], template, count, whole.tokens - 300, "truncate")
    (again,) = fit_to_budget([(cut.item, verdict)], template, count, whole.tokens - 300, "drop")
    assert (again.fate, cut.fate) == ("whole", "cut")
    assert whole.tokens - 300 - again.tokens < 30
