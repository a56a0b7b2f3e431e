"""What users write and what operators set: models, names, references, settings.

Pure data and pure functions. Nothing here does I/O, reads the clock or the environment (the
environment comes in as a mapping), and nothing here imports another package of this project.

Where to look:
    refs, names, durations      identity of a canary, names of generated objects, Go durations
    canary, references, service, istio, traffic_policy, analysis, metrics, hooks, status,
    metric_template, alert_provider
                                the custom resources as frozen models; their field docs become
                                the CRDs
    traffic, readiness, scaling values that several layers share
    derived                     defaults and rules applied to values as given
    validation                  raw JSON to a model, or every problem at once; rules live by
                                subject in target_rules, service_rules, strategy_rules, check_rules
    hints                       warnings about valid but suspicious manifests
    support                     what is modelled but not carried out in this version
    crds, schema                generate deploy/crds/crds.yaml
    settings, setting_groups, setting_values, flags
                                configuration of the processes
"""
