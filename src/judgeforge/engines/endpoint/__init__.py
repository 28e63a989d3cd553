"""The engine on any OpenAI-compatible endpoint, which is paid for: limits, budget, price, and a cache of answers."""
