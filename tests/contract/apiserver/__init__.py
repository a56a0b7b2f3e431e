"""The Kubernetes API surface, held against the sandbox and a real kube-apiserver."""
