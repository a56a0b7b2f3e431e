"""Traffic: what the mesh objects and Services of a canary look like, and the one writer of them.

A mesh is a codec of two pure functions (`render`, `parse`); reading, comparing and writing live
once, in `apply`. Only the routing workers run this code, under the only ServiceAccount that may
write routes.

Where to look:
    router      the protocol of a mesh, the roles of its objects, what a target must tell
    registry    provider name to router, and the kinds that all of them write
    services    the three Services; ports discovers their ports
    istio       VirtualService and DestinationRules; istio_http and istio_tcp make its rules
    metadata    owner references, labels and annotations of generated objects
    diff        what to write so that a live object becomes the desired one
    apply       the writer; order says what goes first, converge writes one object,
                outcome says how it ended and messages in which words

Adding a mesh: one module with a `Router`, one line in `registry`; CONTRIBUTING.md has the list.
"""
