"""What users write and what operators set: models, names, references, settings.

Pure data and pure functions. Nothing here does I/O, reads the clock or the environment (the
environment comes in as a mapping), and nothing here imports another package of this project.

Where to look:
    api/            the custom resources as frozen models; their field docs become the CRDs
    validation/     raw JSON to a model, or every problem at once; hints; what is not carried out
    settings/       configuration of the processes
    refs, names     identity of a canary, names of generated objects
    well_known      labels and annotations that others define or read
    roles           the queues, and what follows from the role of a worker
    durations       Go durations
    moments         times as Redis and Kubernetes write them
    meshes          names of traffic providers
    derived         defaults and rules applied to values as given
    traffic, readiness, scaling
                    values that several layers share
"""
