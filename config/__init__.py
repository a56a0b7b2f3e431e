"""What users write and what operators set: models, names, references, settings.

Pure data and pure functions. Nothing here does I/O, reads the clock or the environment (the
environment comes in as a mapping), and nothing here imports another package of this project.

Where to look:
    refs, names, durations      identity of a canary, names of generated objects, Go durations
    canary, references, service, istio, analysis, status, metric_template, alert_provider
                                the custom resources as frozen models; their field docs become
                                the CRDs
    derived                     defaults and rules applied to values as given
    validation                  raw JSON to a model, or every problem at once
    support                     what is modelled but not carried out in this version
    crds                        generates deploy/crds/crds.yaml
    settings, flags             configuration of the processes
"""
