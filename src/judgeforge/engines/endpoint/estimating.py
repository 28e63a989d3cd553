"""What a run on an endpoint may cost, before it starts. Prompts are counted by their characters."""

from collections.abc import Iterable
from dataclasses import dataclass

from judgeforge.engines.endpoint.answers import AnswerCache
from judgeforge.engines.endpoint.requests import (
    CLOSING_TOKENS,
    UNANSWERED,
    Request,
    build_closing_request,
    estimate_tokens,
)
from judgeforge.engines.endpoint.settings import EndpointSettings
from judgeforge.engines.endpoint.spending import NOTHING, Cost
from judgeforge.engines.protocol import Generation


@dataclass(frozen=True)
class Estimate:
    """What a run may cost if no request has to be sent twice.

    Args:
        questions: different ones.
        cached: of these, how many the cache answers.
        prompt_tokens: of the others, about.
        output_tokens: of the others, at most.
        price: at most, in the settings' currency; None: prices unknown.
    """

    questions: int
    cached: int
    prompt_tokens: int
    output_tokens: int
    price: float | None

    def describe(self, currency: str, *, redraws: bool = False) -> str:
        """Say it in a sentence.

        Args:
            currency: of the price.
            redraws: answers may be drawn again, so that this is not the most.
        """
        most = "" if redraws else " at most"
        known = "unknown: no prices are set" if self.price is None else f"{self.price:,.2f} {currency}{most}"
        more = "; answers that are drawn again come on top" if redraws else ""
        return (
            f"{self.questions:,} questions, {self.cached:,} of them answered already; about {self.prompt_tokens:,} "
            f"prompt tokens and{most} {self.output_tokens:,} answer tokens to pay for; price {known}{more}."
        )


def compute_estimate(
    requests: Iterable[Request], cache: AnswerCache, settings: EndpointSettings, generation: Generation
) -> Estimate:
    """Sum what the cache lacks.

    Args:
        requests: the first of each question; equal ones count once.
        cache: answers that were paid for.
        settings: of the endpoint.
        generation: how to decode.
    """
    different = {request.key: request for request in requests}
    costs = [_compute_cost(request, cache, settings, generation) for request in different.values()]
    missing = [cost for cost in costs if cost != NOTHING]
    total = Cost(sum(cost.prompt for cost in missing), sum(cost.output for cost in missing))
    return Estimate(len(costs), len(costs) - len(missing), *total, compute_price(settings, total))


def compute_price(settings: EndpointSettings, cost: Cost) -> float | None:
    """Compute what tokens cost, in the settings' currency; None: prices unknown."""
    rates = settings.price_per_million_input, settings.price_per_million_output
    if rates[0] is None or rates[1] is None:
        return None
    return (cost.prompt * rates[0] + cost.output * rates[1]) / 1e6


def _compute_cost(first: Request, cache: AnswerCache, settings: EndpointSettings, generation: Generation) -> Cost:
    """Compute the most that a question costs beside what the cache has; under a constraint it takes two requests."""
    reply = cache.find(first)
    prompt, limit = estimate_tokens(first.prompt), int(first.body[settings.max_tokens_field])
    if not generation.constrained:
        return NOTHING if reply else Cost(prompt, limit)
    if reply is None:
        return Cost(prompt + prompt + limit + estimate_tokens(first.marker), limit + CLOSING_TOKENS)
    if reply.finish in UNANSWERED:
        return NOTHING
    closing = build_closing_request(first, reply.text, settings, generation)
    return NOTHING if cache.find(closing) else Cost(estimate_tokens(closing.prompt), CLOSING_TOKENS)
