"""For all tests: Hypothesis holds nobody to a deadline, for machines are busy and no test is about time."""

from hypothesis import settings

settings.register_profile("judgeforge", deadline=None)
settings.load_profile("judgeforge")
