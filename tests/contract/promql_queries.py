"""The queries that the sandbox and a real Prometheus must answer alike in `test_promql`.

To cover a function or an operator, add a line here.
"""

from typing import Final

from tests.contract.promql_data import BASE, END

SUCCESS_RATE: Final = """
    sum(
        rate(
            istio_requests_total{{
                reporter="destination",
                destination_workload_namespace="{namespace}",
                destination_workload=~"{workload}",
                response_code!~"5.*"
            }}[{interval}]
        )
    )
    /
    sum(
        rate(
            istio_requests_total{{
                reporter="destination",
                destination_workload_namespace="{namespace}",
                destination_workload=~"{workload}"
            }}[{interval}]
        )
    )
    * 100
"""

DURATION: Final = """
    histogram_quantile(
        0.99,
        sum(
            rate(
                istio_request_duration_milliseconds_bucket{{
                    reporter="destination",
                    destination_workload_namespace="{namespace}",
                    destination_workload=~"{workload}"
                }}[{interval}]
            )
        ) by (le)
    )
"""


def success_rate(workload: str, interval: str, namespace: str = "test") -> str:
    """Flagger's built-in `request-success-rate` check on Istio."""
    return SUCCESS_RATE.format(workload=workload, interval=interval, namespace=namespace)


def duration(workload: str, interval: str, namespace: str = "test") -> str:
    """Flagger's built-in `request-duration` check on Istio."""
    return DURATION.format(workload=workload, interval=interval, namespace=namespace)


_PODINFO: Final = '{destination_workload=~"podinfo.*"}'
_GROUPS: Final = "destination_workload_namespace, destination_workload"
_GROUPED_MATCHERS: Final = 'reporter="destination",destination_workload=~"podinfo|late|idle|once"'

GROUPED_SUCCESS_RATE: Final = (
    f"sum by ({_GROUPS}) "
    f'(rate(istio_requests_total{{{_GROUPED_MATCHERS},response_code!~"5.*"}}[1m]))'
    f" / sum by ({_GROUPS}) (rate(istio_requests_total{{{_GROUPED_MATCHERS}}}[1m])) * 100"
)

GROUPED_DURATION: Final = (
    f"histogram_quantile(0.99, sum by (le, {_GROUPS}) "
    f"(rate(istio_request_duration_milliseconds_bucket{{{_GROUPED_MATCHERS}}}[1m])))"
)

ISTIO_QUERIES: Final = [
    *(
        builtin(workload, interval)
        for builtin in (success_rate, duration)
        for workload in ("podinfo", "podinfo-primary", "late", "early", "idle", "slow", "missing")
        for interval in ("1m", "30s", "10s")
    ),
    f"sum by ({_GROUPS}) (rate(istio_requests_total{{{_GROUPED_MATCHERS}}}[1m]))",
    GROUPED_SUCCESS_RATE,
    GROUPED_DURATION,
    f"sum(rate(istio_requests_total{_PODINFO}[1m])) / 0",
]

COUNTER_QUERIES: Final = [
    f"{function}(istio_requests_total[{window}])"
    for function in (
        "rate", "increase", "delta", "irate", "idelta", "resets", "changes",
        "sum_over_time", "avg_over_time", "min_over_time", "max_over_time", "count_over_time",
        "last_over_time", "stddev_over_time", "stdvar_over_time", "present_over_time",
    )
    for window in ("1m", "47s", "5m")
]  # fmt: skip

GAUGE_QUERIES: Final = [
    "gauge",
    "-gauge",
    "temperature",
    "temperature offset 1m",
    "temperature offset -30s",
    f"temperature @ {BASE + 100}",
    "temperature @ end() offset 20s",
    "rate(temperature[1m])",
    "delta(temperature[1m])",
    "max_over_time(rate(istio_requests_total[30s])[2m:15s])",
    "avg_over_time(temperature[3m:])",
    "sum_over_time(temperature[1m] offset 1m)",
    "quantile_over_time(0.3, temperature[2m])",
    "quantile_over_time(2, temperature[2m])",
    *(
        f"{function}(gauge)"
        for function in (
            "abs",
            "ceil",
            "floor",
            "round",
            "sqrt",
            "exp",
            "ln",
            "log2",
            "log10",
            "sgn",
        )
    ),
    "round(temperature, 0.5)",
    "round(temperature, 10)",
    "clamp(temperature, -5, 20)",
    "clamp(temperature, 5, -5)",
    "clamp_min(gauge, 0.25)",
    "clamp_max(gauge, 0.25)",
    "clamp_min(gauge, NaN)",
    "scalar(temperature)",
    'scalar(temperature{room="hall"})',
    "vector(time())",
    "time()",
    "time() - 1",
    "absent(temperature)",
    'absent(nothing{a="b", c=~"d", e!="f"})',
    'absent(nothing{a="b", a="c"})',
    "absent(sum(nothing))",
    'absent_over_time(nothing{a="b"}[1m])',
    "absent_over_time(temperature[1m])",
    '"text"',
    "1 / 0",
    "-1 / 0",
    "0 / 0",
    "5 % 3",
    "-5 % 3",
    "5 % 0",
    "2 ^ 10",
    "-2 ^ 2",
    "2 ^ 3 ^ 2",
    "(-8) ^ 0.5",
    "0 ^ -1",
    "1 atan2 2",
    "1e30 ^ 20",
    "2 > bool 1",
    "1 == bool NaN",
    "0x1F + 1e3",
    "odd",
    'odd{text="a\\"b\\\\c\\n\u00e9"}',
    'odd{dots=~"a.b"}',
    'odd{dots=~"a\\\\.b", missing=""}',
    'odd{line=~"x.y"}',
    'odd{line=~"x(.|\\n)y"}',
    '{__name__=~"cap.*"}',
    '{__name__="capacity", floor!~"1|3"}',
    'temperature{room=~"hall|attic", floor!=""}',
    'temperature{room=~"h.*|", floor=~".+"}',
]

AGGREGATIONS: Final = [
    *(
        f"{operator} {grouping} ({inner})"
        for operator in ("sum", "avg", "min", "max", "count", "stddev", "stdvar", "group")
        for grouping in ("", "by (group)", "without (kind)", "by (nothing)")
        for inner in ("gauge", 'gauge{kind!~"nan|infinite|low"}')
    ),
    "sum by (__name__) (capacity)",
    "sum without (floor) (capacity)",
    "topk(2, temperature)",
    "bottomk(2, temperature)",
    "topk(1, istio_requests_total) by (reporter)",
    "topk(0, temperature)",
    "topk(3, gauge)",
    "bottomk(20, gauge)",
    "quantile(0.4, temperature)",
    "quantile by (reporter) (0.9, istio_requests_total)",
    "quantile(-1, temperature)",
    "quantile(1.5, temperature)",
    "quantile(NaN, temperature)",
    'count_values("value", gauge)',
    'count_values by (group) ("value", gauge)',
]

MATCHING: Final = [
    *(f"temperature {op} 7" for op in ("+", "-", "*", "/", "%", "^")),
    *(f"7 {op} temperature" for op in ("+", "-", "*", "/", "%", "^")),
    *(
        f"{left} {op} {flag} {right}"
        for op in ("==", "!=", ">", "<", ">=", "<=")
        for flag in ("", "bool")
        for left, right in (("temperature", "0"), ("0", "temperature"), ("gauge", "gauge"))
    ),
    "gauge + gauge",
    "gauge / gauge",
    "gauge > gauge offset 1m",
    "temperature * on (floor) group_left (unit) capacity",
    "temperature * on (floor) capacity",
    "capacity * on (floor) group_right (room) temperature",
    "capacity > on (floor) group_right temperature",
    "capacity < bool on (floor) group_right temperature",
    "temperature * on (room) group_left (colour) info",
    "temperature * ignoring (floor, colour) info",
    "temperature * ignoring (floor, colour) group_left (colour) info",
    "temperature > on (floor) capacity",
    "temperature < on (floor) capacity",
    "temperature < ignoring (room, unit) capacity",
    "temperature and on (floor) capacity",
    "temperature unless on (floor) capacity",
    "temperature or capacity",
    "temperature or on (floor) capacity",
    "capacity or on (floor) temperature",
    "temperature and nothing",
    "nothing or vector(0)",
    "temperature and ignoring (room, unit) capacity",
    "(temperature > 0) or (capacity < 30)",
    'label_replace(temperature, "place", "$1-$2", "room", "(.)(.*)")',
    'label_replace(temperature, "place", "${1}x", "room", "(h.*)")',
    'label_replace(temperature, "place", "$1x", "room", "(h.*)")',
    'label_replace(temperature, "place", "${first}$$", "room", "(?P<first>.).*")',
    'label_replace(temperature, "room", "", "room", ".*")',
    'label_replace(temperature, "room", "same", "floor", "1")',
    'label_replace(temperature, "copy", "$1", "missing", "(.*)")',
    'label_replace(temperature, "__name__", "heat", "room", ".*")',
    'label_join(temperature, "both", "/", "room", "floor", "missing")',
    'sum(label_replace(capacity, "room", "any", "", "")) by (room)',
]

HISTOGRAM_QUERIES: Final = [
    *(
        f"histogram_quantile({rank}, sizes_bucket)"
        for rank in ("0", "0.01", "0.5", "0.9", "0.99", "1", "-1", "2", "NaN")
    ),
    "histogram_quantile(0.5, capacity)",
    "histogram_quantile(scalar(nothing), sizes_bucket)",
    "histogram_quantile(0.9, sum by (le) (sizes_bucket))",
]

SORTED: Final = ["sort(temperature)", "sort_desc(temperature)", "sort(gauge)", "sort_desc(gauge)"]

INSTANTS: Final = [
    BASE - 1, BASE + 30, BASE + 202.5, BASE + 334.999, BASE + 335, BASE + 402.001, END, END + 299.3,
]  # fmt: skip

ALL_QUERIES: Final = [
    *ISTIO_QUERIES,
    *COUNTER_QUERIES,
    *GAUGE_QUERIES,
    *AGGREGATIONS,
    *MATCHING,
    *HISTOGRAM_QUERIES,
]

REFUSED: Final = [
    "",
    "sum(",
    "nothing{",
    "no_such_function(temperature)",
    "rate(temperature)",
    "sum(1)",
    "1 and 2",
    "{}",
    '{room=~".*"}',
    'temperature{room=~"("}',
    "1 == 2",
    "temperature + on (floor) group_left temperature[5m]",
    "temperature * on () info",
    "info * on () group_left temperature",
    "temperature + on (floor) group_right (room) temperature{room='hall'} * on () group_left info",
    'label_replace(temperature, "bad-name", "x", "room", ".*")',
    'label_replace(temperature, "room", "x", "room", ".*")',
    'abs({__name__=~"capacity|info", floor=~"1|"} * 0) + on () group_left vector(1)',
    'rate({__name__=~"temperature|humidity"}[0s])',
]
