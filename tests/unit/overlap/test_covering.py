from hypothesis import given
from hypothesis import strategies as st

from judgeforge.overlap import find_covering, find_seen

TEXTS = st.lists(st.lists(st.sampled_from("ab"), max_size=12).map(" ".join), max_size=5)


@given(TEXTS, TEXTS, st.integers(1, 4), st.sampled_from([0.3, 0.5, 1.0]))
def test_a_training_text_covers_what_was_seen_in_it_alone(training, benchmark, size, share):
    expected = [any(find_seen([text], [own], size=size, share=share)[0] for text in benchmark) for own in training]
    assert find_covering(training, benchmark, size=size, share=share) == expected
