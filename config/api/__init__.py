"""The custom resources as models: Canary, MetricTemplate, AlertProvider, and their CRD schemas."""
