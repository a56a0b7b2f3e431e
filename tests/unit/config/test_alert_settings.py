"""The settings of alerts, by Flagger's names."""

from typing import Final

from config.settings.settings import Settings

VARIABLES: Final = {
    "SLACK_URL": "https://slack.example/T0",
    "SLACK_TOKEN": "xoxb-1",
    "SLACK_PROXY_URL": "http://proxy:3128",
    "MSTEAMS_URL": "https://teams.example/T1",
    "MSTEAMS_PROXY_URL": "http://proxy:3129",
}


def secrets(settings: Settings) -> list[str]:
    """What was given, in that order."""
    known = settings.alerts
    values = (
        known.slack_url,
        known.slack_token,
        known.slack_proxy,
        known.teams_url,
        known.teams_proxy,
    )
    return [value.get_secret_value() if value else "" for value in values]


def test_flaggers_flags_and_variables_are_read() -> None:
    """Webhooks 4, "Global notifier": the variables count first, and none of them is shown."""
    ours = {
        "COALMINE_SLACK_URL": "https://other.example/",
        "COALMINE_SLACK_TOKEN": "other",
        "COALMINE_MSTEAMS_URL": "https://other.example/",
    }
    settings = Settings.from_environ(VARIABLES | ours)
    assert secrets(settings) == list(VARIABLES.values())
    assert not [text for text in VARIABLES.values() if text in repr(settings)]
    known = Settings.from_environ(ours)
    assert secrets(known) == ["https://other.example/", "other", "", "https://other.example/", ""]
    assert known.alerts.slack_user == "flagger"
    assert known.alerts.slack_channel is None


def test_slack_without_a_channel_is_remarked() -> None:
    """Flagger disables it with an error in its log."""
    url = {"SLACK_URL": VARIABLES["SLACK_URL"]}
    assert Settings.from_environ(url).alerts.remarks == (
        "--slack-url: no alerts are sent to Slack without --slack-channel",
    )
    assert not Settings.from_environ(url | {"COALMINE_SLACK_CHANNEL": "c"}).alerts.remarks
    assert not Settings().alerts.remarks
