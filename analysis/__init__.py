"""What a rollout does next, and how a release is judged.

The phases, the rules, the strategies, the verdicts and the metric queries. Pure, apart from
`backends/`, which ask the metric servers: everything else takes an observation and gives back a
decision.
"""
