"""Settings: names, defaults, and refusals that name flag, variable, value and what is allowed."""

import dataclasses
from datetime import timedelta

import pytest

from config.settings.settings import FLAGS, GROUPS, Settings, SettingsError


def test_the_defaults_are_those_of_flagger_where_it_has_the_setting() -> None:
    """An empty environment runs as Flagger would."""
    settings = Settings.from_environ({})

    assert settings == Settings()
    assert settings.canaries.mesh_provider == "istio"
    assert settings.metrics.server == "http://prometheus:9090"
    assert settings.canaries.selector_labels == ("app", "name", "app.kubernetes.io/name")
    assert settings.canaries.include_label_prefixes == ()
    assert not settings.canaries.no_cross_namespace_refs
    assert (settings.kubernetes.qps, settings.kubernetes.burst) == (100, 250)
    assert settings.kubernetes.namespace is None
    assert settings.server.port == 8080
    assert settings.scheduler.resync_interval == timedelta(minutes=5)
    assert settings.scheduler.agenda_poll == timedelta(milliseconds=100)


def test_the_environment_sets_everything() -> None:
    """One variable per setting, parsed into its type."""
    settings = Settings.from_environ(
        {
            "COALMINE_REDIS_URL": "redis://:pw@state:6379/0",
            "COALMINE_MESH_PROVIDER": "smi:istio",
            "COALMINE_METRICS_SERVER": "https://prom.example/",
            "COALMINE_SELECTOR_LABELS": "app, tier",
            "COALMINE_INCLUDE_LABEL_PREFIX": "app.kubernetes.io,team",
            "COALMINE_NO_CROSS_NAMESPACE_REFS": "true",
            "COALMINE_NAMESPACE": "shop",
            "COALMINE_KUBECONFIG_QPS": "50",
            "COALMINE_LISTEN_PORT": "0",
            "COALMINE_LOG_LEVEL": "warn",
            "COALMINE_TICK_LEASE": "1m30s",
            "COALMINE_ANALYSIS_CONCURRENCY": "16",
            "PATH": "/bin",
            "COALMINE_PORT": "tcp://10.0.0.1:8080",  # what Kubernetes sets beside a Service
        }
    )

    assert settings.redis.state_url() == "redis://:pw@state:6379/0"
    assert settings.redis.queue_url() == "redis://:pw@state:6379/0"
    assert settings.canaries.mesh_provider == "smi:istio"
    assert settings.metrics.server == "https://prom.example"
    assert settings.canaries.selector_labels == ("app", "tier")
    assert settings.canaries.include_label_prefixes == ("app.kubernetes.io", "team")
    assert settings.canaries.no_cross_namespace_refs
    assert settings.kubernetes.namespace == "shop"
    assert settings.kubernetes.qps == 50
    assert settings.server.port == 0
    assert settings.server.python_log_level == "WARNING"
    assert settings.scheduler.tick_lease == timedelta(seconds=90)
    assert settings.workers.analysis_concurrency == 16


def test_the_queue_may_be_another_server() -> None:
    """State and queue can be told apart."""
    settings = Settings.from_environ(
        {
            "COALMINE_REDIS_URL": "rediss://state:6379/0",
            "COALMINE_BROKER_URL": "redis://queue:6379/1",
        }
    )

    assert settings.redis.state_url() == "rediss://state:6379/0"
    assert settings.redis.queue_url() == "redis://queue:6379/1"


def test_a_missing_redis_is_an_error_only_where_it_is_needed() -> None:
    """`coalmine up` brings its own; what needs one says which variable to set."""
    settings = Settings.from_environ({"COALMINE_REDIS_URL": ""})

    assert settings.redis.url is None
    with pytest.raises(SettingsError, match="COALMINE_REDIS_URL"):
        settings.redis.queue_url()


@pytest.mark.parametrize(
    ("env", "value", "allowed"),
    [
        ("COALMINE_REDIS_URL", "http://state", "rediss://"),
        ("COALMINE_REDIS_URL", "http://[x", "rediss://"),
        ("COALMINE_MESH_PROVIDER", "istioo", "gatewayapi:v1beta1"),
        ("COALMINE_METRICS_SERVER", "prometheus:9090", "http://"),
        ("COALMINE_SELECTOR_LABELS", " , ", "at least one"),
        ("COALMINE_NO_CROSS_NAMESPACE_REFS", "yes", "true or false"),
        ("COALMINE_LOG_LEVEL", "warning", "debug, info, warn, error, fatal, panic"),
        ("COALMINE_KUBECONFIG_QPS", "0", "from 1 to"),
        ("COALMINE_KUBECONFIG_QPS", "-5", "from 1 to"),
        ("COALMINE_KUBECONFIG_QPS", "\uff11", "from 1 to"),
        ("COALMINE_LISTEN_PORT", "tcp://10.0.0.1:8080", "from 0 to 65535"),
        ("COALMINE_TICK_LEASE", "30", "1m30s"),
        ("COALMINE_BEAT_LEASE", "0s", "more than 0"),
        ("COALMINE_AGENDA_POLL", "-1s", "more than 0"),
    ],
)
def test_a_bad_value_is_refused_by_name(env: str, value: str, allowed: str) -> None:
    """No unknown value becomes a default."""
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environ({env: value})

    (problem,) = refusal.value.problems
    assert env in problem
    assert allowed in problem


def test_all_problems_are_reported_at_once() -> None:
    """One start shows everything that is wrong."""
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environ({"COALMINE_LOG_LEVEL": "loud", "COALMINE_TICK_LEASE": "soon"})

    assert len(refusal.value.problems) == 2
    assert '--log-level (COALMINE_LOG_LEVEL): "loud"' in str(refusal.value)


def test_leases_that_end_too_soon_are_refused() -> None:
    """A lease outlasts the work done under it."""
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environ({"COALMINE_TICK_LEASE": "5s", "COALMINE_AGENDA_POLL": "4s"})

    assert len(refusal.value.problems) == 2


def test_a_lease_that_nobody_would_believe_is_refused() -> None:
    """What ends later than any lease was given by a clock that was ahead."""
    with pytest.raises(SettingsError, match="--tick-lease: must be 2m at most"):
        Settings.from_environ({"COALMINE_TICK_LEASE": "121s"})


def test_passwords_are_not_shown() -> None:
    """Neither in a dump of the settings nor in a refusal."""
    settings = Settings.from_environ({"COALMINE_REDIS_URL": "redis://:s3cr3t@state:6379/0"})
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environ({"COALMINE_BROKER_URL": "amqp://u:s3cr3t@queue"})

    assert "s3cr3t" not in repr(settings)
    assert "s3cr3t" not in str(refusal.value)


def test_every_setting_has_one_flag_one_variable_and_help() -> None:
    """The table covers all fields of all groups, with unique names."""
    fields = {
        (name, field.name) for name, group in GROUPS.items() for field in dataclasses.fields(group)
    }

    assert {(flag.group, flag.field) for flag in FLAGS} == fields
    assert set(GROUPS) == {field.name for field in dataclasses.fields(Settings)}
    assert len({flag.option for flag in FLAGS}) == len({flag.env for flag in FLAGS}) == len(FLAGS)
    for flag in FLAGS:
        assert flag.env.startswith("COALMINE_")
        assert flag.help.endswith(".")


def test_defaults_in_the_help_are_the_defaults() -> None:
    """What `--help` prints, given explicitly, changes nothing."""
    spelled_out = {flag.env: flag.default for flag in FLAGS if flag.default}

    assert Settings.from_environ(spelled_out) == Settings()


def test_flaggers_flags_keep_their_names() -> None:
    """Arguments of an existing Deployment can be moved over."""
    options = {flag.option for flag in FLAGS}

    assert options >= {
        "--mesh-provider",
        "--metrics-server",
        "--namespace",
        "--selector-labels",
        "--include-label-prefix",
        "--kubeconfig",
        "--kubeconfig-qps",
        "--kubeconfig-burst",
        "--log-level",
        "--cluster-name",
        "--no-cross-namespace-refs",
        "--port",
    }
