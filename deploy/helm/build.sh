#!/usr/bin/env bash
# Builds helm from the module pinned in go.mod, and takes the definitions of PodMonitor,
# ServiceMonitor and PrometheusRule from the module of the Prometheus Operator.
#
#   deploy/helm/build.sh                     prints the folder that holds both
#
# The folder is $COALMINE_HELM_CACHE, by default ~/.cache/coalmine/helm, plus the version of helm. A
# folder that is already complete is reused; an interrupted build leaves nothing behind, because the
# files are moved into place in one rename. Needs Go only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

version=$(awk '$1 == "helm.sh/helm/v4" {print $2}' go.mod)
cache=${COALMINE_HELM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/coalmine/helm}
target=$cache/$version

if [[ -x $target/helm && -f $target/operator.yaml ]]; then
  echo "$target"
  exit 0
fi
if ! command -v go >/dev/null; then
  echo "building helm needs Go (the version is in deploy/helm/go.mod)" >&2
  exit 1
fi

mkdir -p "$cache"
work=$(mktemp -d "$cache/.build.XXXXXX")
trap 'rm -rf "$work"' EXIT
export CGO_ENABLED=0

echo "building helm" >&2
stamp="-X helm.sh/helm/v4/internal/version.version=$version"
go build -mod=readonly -trimpath -buildvcs=false -ldflags "-s -w $stamp" -o "$work/helm" \
  helm.sh/helm/v4/cmd/helm
operator=github.com/prometheus-operator/prometheus-operator
go mod download "$operator" # nothing of it is built, so building has not fetched it
module=$(go list -mod=readonly -m -f '{{.Dir}}' "$operator")
definitions=$module/example/prometheus-operator-crd/monitoring.coreos.com
cat "$definitions"_{podmonitors,servicemonitors,prometheusrules}.yaml >"$work/operator.yaml"

chmod 755 "$work"
rm -rf "$target"
mv -T "$work" "$target"
trap - EXIT
echo "$target"
