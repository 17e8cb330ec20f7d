"""One Hypothesis profile for all property tests."""

from hypothesis import settings

# A busy machine is no reason to fail; a failure must be repeatable from what it printed.
settings.register_profile("project", deadline=None, print_blob=True)
settings.load_profile("project")
