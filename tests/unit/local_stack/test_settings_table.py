"""The README's table of settings is the services' own."""

from local_stack.settings_table import README, with_table


def test_the_readme_lists_every_setting_as_it_is() -> None:
    text = README.read_text("utf-8")
    assert text == with_table(text), "run `make env-example`"
