"""hey's options and report; what it sends is tests/contract/loadtester/test_hey.py's."""

from array import array
from collections import Counter
from datetime import timedelta

import pytest

from loadtester.hey import arguments, report
from loadtester.hey.arguments import Plan, UsageError
from loadtester.hey.report import Results


@pytest.mark.parametrize(
    ("line", "plan"),
    [
        ("http://x/", Plan("http://x/")),
        (
            "-z 1m -q 10 -c 2 http://podinfo.test:9898/",
            Plan("http://podinfo.test:9898/", workers=2, rate=10, duration=timedelta(minutes=1)),
        ),
        (
            "-n=20 --c=5 -m post -d body -T application/json -t 3 -U me http://x",
            Plan(
                "http://x",
                requests=20,
                workers=5,
                method="POST",
                body=b"body",
                content_type="application/json",
                timeout=3,
                agent="me",
            ),
        ),
        (
            "-H Cookie:a=b -H X-Y:z -A text/plain -host app.example.com https://x",
            Plan(
                "https://x",
                headers=(("Cookie", "a=b"), ("X-Y", "z"), ("Accept", "text/plain")),
                host="app.example.com",
            ),
        ),
        ("-H Host:app https://x", Plan("https://x", host="app")),
        (
            "-a u:p -x proxy:3128 https://x",
            Plan(
                "https://x", headers=(("Authorization", "Basic dTpw"),), proxy="http://proxy:3128"
            ),
        ),
        (
            "-disable-compression -disable-keepalive -disable-redirects=true -cpus 2 http://x",
            Plan("http://x", compression=False, keepalive=False, redirects=False),
        ),
        ("-disable-keepalive=false http://x", Plan("http://x")),
        ("http://x -z 1m", Plan("http://x", ignored=("-z", "1m"))),
        ("-- http://x", Plan("http://x")),
    ],
)
def test_options_are_read_as_hey_reads_them(line: str, plan: Plan) -> None:
    """With one dash or two, with a blank or =; what stands behind the URL is not read."""
    assert arguments.parse(line.split()) == plan


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("-h2 http://x", "option -h2 is unknown to the embedded load generator"),
        ("-foo http://x", "-A, -a, -c, -cpus, -d, -D"),
        ("-z", "option -z needs a value"),
        ("-z 1m", "a URL is missing"),
        ("-z 1 http://x", "a Go duration"),
        ("-z -1s http://x", "more than 0"),
        ("-c 0 http://x", "a whole number from 1 to 10000"),
        ("-n 5 -c 10 http://x", "-n cannot be less than -c"),
        ("-q x http://x", "-q x: allowed: a number from 0"),
        ("-m BREW http://x", "-m BREW: allowed: GET, POST"),
        ("-H nonsense http://x", "-H: allowed: Name: value"),
        ("-D /no/such http://x", "-D: No such file"),
        ("-D /dev/zero http://x", "-D: allowed: a file of at most 16777216 bytes"),
        ("-D / http://x", "-D: allowed: a file of at most 16777216 bytes"),
        ("ftp://x", "no http:// or https:// URL"),
        ("http://[x", "no http:// or https:// URL"),
        ("-disable-keepalive=maybe http://x", "allowed: true or false"),
    ],
)
def test_what_cannot_be_used_is_told_with_what_can(line: str, told: str) -> None:
    """Unknown options are refused with the list of the known ones."""
    with pytest.raises(UsageError) as refused:
        arguments.parse(line.split())
    assert told in str(refused.value)


def test_given_headers_take_the_place_of_the_usual_ones() -> None:
    """Its name and text/html are sent unless told otherwise."""
    usual = {"Content-Type": "text/html", "User-Agent": "hey/0.0.1", "Accept-Encoding": "gzip"}
    assert dict(Plan("http://x").all_headers()) == usual
    del usual["Accept-Encoding"]
    assert dict(Plan("http://x", compression=False).all_headers()) == usual
    told = arguments.parse(["-H", "content-type: a/b", "-U", "me", "-host", "h", "http://x"])
    assert told.all_headers() == [
        ("User-Agent", "me hey/0.0.1"),
        ("Accept-Encoding", "gzip"),
        ("Host", "h"),
        ("content-type", "a/b"),
    ]


def test_the_report_is_heys() -> None:
    """Line by line, as hey v0.1.4 prints such a run (without the times of its connections)."""
    latencies = [0.1, 0.1, 0.15, 0.2, 0.2, 0.3, 0.4, 0.5, 0.6, 1.1]
    results = Results(array("d", latencies), Counter({200: 9, 503: 1}), Counter({"refused": 2}), 40)
    assert report.summary(results, 2.0).splitlines() == [
        "",
        "Summary:",
        "  Total:\t2.0000 secs",
        "  Slowest:\t1.1000 secs",
        "  Fastest:\t0.1000 secs",
        "  Average:\t0.3650 secs",
        "  Requests/sec:\t6.0000",
        "",
        "  Total data:\t40 bytes",
        "  Size/request:\t4 bytes",
        "",
        "Response time histogram:",
        "  0.100 [2]\t|■■■■■■■■■■■■■■■■■■■■■■■■■■■",
        "  0.200 [3]\t|■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■",
        "  0.300 [1]\t|■■■■■■■■■■■■■",
        "  0.400 [1]\t|■■■■■■■■■■■■■",
        "  0.500 [1]\t|■■■■■■■■■■■■■",
        "  0.600 [1]\t|■■■■■■■■■■■■■",
        "  0.700 [0]\t|",
        "  0.800 [0]\t|",
        "  0.900 [0]\t|",
        "  1.000 [0]\t|",
        "  1.100 [1]\t|■■■■■■■■■■■■■",
        "",
        "",
        "Latency distribution:",
        "  10% in 0.1000 secs",
        "  25% in 0.2000 secs",
        "  50% in 0.3000 secs",
        "  75% in 0.6000 secs",
        "  90% in 1.1000 secs",
        "  95% in 1.1000 secs",
        "  99% in 1.1000 secs",
        "",
        "Status code distribution:",
        "  [200]\t9 responses",
        "  [503]\t1 responses",
        "",
        "Error distribution:",
        "  [2]\trefused",
    ]


def test_a_run_without_any_answer_has_a_report() -> None:
    """Nothing is divided by what did not come."""
    lines = report.summary(Results(errors=Counter({"refused": 3})), 1.5).splitlines()
    assert lines == [
        "",
        "Summary:",
        "  Total:\t1.5000 secs",
        "  Requests/sec:\t2.0000",
        "",
        "Error distribution:",
        "  [3]\trefused",
    ]


def test_errors_of_many_texts_are_bounded() -> None:
    """A message with a port in it would else be kept once for each request."""
    results = Results()
    for number in range(1000):
        results.failed(f"error {number}")
    assert len(results.errors) == report.MOST_ERRORS + 1
    assert results.errors["other errors"] == 1000 - report.MOST_ERRORS
