"""The job queue: what is enqueued, who carries it out, and how the parts are put together.

Messages are nudges: they name a canary, and whoever gets one looks at the state of things and
converges. The services (`analyst`, `caller`, and the reconcilers of `reconcile`) hold the little
logic there is and know nothing of Celery; the task modules are its thin entry points.
"""
