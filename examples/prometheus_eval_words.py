"""Write the words of prometheus-eval as a judge template, and its layout as a chat template: a judge that is taught by
both is asked by the package, as it is, to the letter as it was taught.

    python examples/prometheus_eval_words.py --template package.json --chat package.jinja

Then train with `prepare.template: package.json`, and with `base.source: path` and a folder of a Mistral model in which
`package.jinja` stands as `chat_template.jinja`.

The words are the installed package's and stand in no file of judgeforge. Its two system messages, one a format, go in
front of the question, since that is where Mistral's layout puts them; the template's own system message is empty.
"""

import argparse
import os
from pathlib import Path

from judgeforge.files import write_json, write_text
from judgeforge.grading.templates import JudgeTemplate

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # or litellm fetches a list of prices

from prometheus_eval import prompts

RUBRIC = "\n".join(["[{criteria}]", *(f"Score {score}: {{level_{score}}}" for score in range(1, 6))])
NAMES = {"{response_A}": "{response_a}", "{response_B}": "{response_b}", "{rubric}": RUBRIC}
# As fastchat's "mistral", which the package asks for. The package's vLLM puts the start token in front by itself.
CHAT = (
    "{{ bos_token }}[INST] {% for message in messages %}{% if message['role'] == 'assistant' %}"
    "{{ ' [/INST] ' + message['content'] + eos_token }}{% else %}{{ message['content'] }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ ' [/INST]' }}{% endif %}"
)


def build_template() -> JudgeTemplate:
    """Build the template that asks what the package asks, where rubrics have five levels."""
    direct, clause, section = _take_apart(prompts.ABSOLUTE_PROMPT_WO_REF, prompts.ABSOLUTE_PROMPT)
    pairwise, pairwise_clause, pairwise_section = _take_apart(prompts.RELATIVE_PROMPT_WO_REF, prompts.RELATIVE_PROMPT)
    return JudgeTemplate(
        name="prometheus-eval",
        system="",
        result_marker="[RESULT]",
        direct=f"{prompts.ABS_SYSTEM_PROMPT}\n{direct}",
        pairwise=f"{prompts.REL_SYSTEM_PROMPT}\n{pairwise}",
        reference_clause=clause,
        reference_section=section,
        pairwise_reference_clause=pairwise_clause,
        pairwise_reference_section=pairwise_section,
    )


def _take_apart(without: str, complete: str) -> tuple[str, str, str]:
    """Find the clause and the section that a reference answer adds, and put judgeforge's placeholders in their place.

    Args:
        without: the package's prompt without a reference answer.
        complete: the same with one.
    """
    start = complete.index("###Reference")
    end = complete.index("###", start + 1)
    section, tail = complete[start:end], complete[end:]
    shorter = complete[:start] + tail
    place = next(n for n, letter in enumerate(shorter) if letter != without[n])
    clause = shorter[place : place + len(shorter) - len(without)]
    words = f"{without[:place]}{{reference_clause}}{without[place : -len(tail)]}{{reference_section}}{tail}"
    for theirs, ours in NAMES.items():
        words = words.replace(theirs, ours)
    return words, clause, section.replace("{reference_answer}", "{reference}")


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--template", type=Path, required=True, help="where to write the judge template (JSON)")
    parser.add_argument("--chat", type=Path, help="where to write the chat template (Jinja)")
    chosen = parser.parse_args()
    write_json(chosen.template, build_template().dump())
    if chosen.chat:
        write_text(chosen.chat, CHAT)


if __name__ == "__main__":
    main()
