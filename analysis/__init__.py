"""What a rollout does next, and how a release is judged.

The phases, the rules, the verdicts and the metric queries. Pure, apart from `providers/`, which
ask the metric backends: everything else takes an observation and gives back a decision.
"""
