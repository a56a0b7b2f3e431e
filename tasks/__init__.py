"""The job queue: what is enqueued, who carries it out, and how the parts are put together.

Messages are nudges: they name one canary or many, and whoever gets one looks at the state of things
and converges. The services (`analyst`, `caller`, and the reconcilers of `reconcile`) hold the
little logic there is, canary by canary (`steps`), and know nothing of Celery, nor of who else is in
the job (`batch`); `jobs` are the thin entry points.
"""
