#!/usr/bin/env bash
# Builds istiod (pilot-discovery) and istioctl from the module pinned in go.mod, and takes Istio's
# CRDs from it.
#
#   deploy/data-plane/build.sh               prints the folder that holds the three
#
# The folder is $COALMINE_DATA_PLANE_CACHE, by default ~/.cache/coalmine/data-plane, plus the
# version of istio.io/istio. A folder that is already complete is reused; an interrupted build
# leaves nothing behind, because the files are moved into place in one rename. Needs Go only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

version=$(awk '$1 == "istio.io/istio" {print $2}' go.mod)
cache=${COALMINE_DATA_PLANE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/coalmine/data-plane}
target=$cache/$version

if [[ -x $target/pilot-discovery && -x $target/istioctl && -f $target/crds.yaml ]]; then
  echo "$target"
  exit 0
fi
if ! command -v go >/dev/null; then
  echo "building the data plane needs Go (the version is in deploy/data-plane/go.mod)" >&2
  exit 1
fi

mkdir -p "$cache"
work=$(mktemp -d "$cache/.build.XXXXXX")
trap 'rm -rf "$work"' EXIT
export CGO_ENABLED=0

build() { # name, main package
  echo "building $1" >&2
  go build -mod=readonly -trimpath -buildvcs=false -ldflags '-s -w' -o "$work/$1" "$2"
}
build pilot-discovery istio.io/istio/pilot/cmd/pilot-discovery
build istioctl istio.io/istio/istioctl/cmd/istioctl
module=$(go list -mod=readonly -m -f '{{.Dir}}' istio.io/istio)
install -m 644 "$module/manifests/charts/base/files/crd-all.gen.yaml" "$work/crds.yaml"

chmod 755 "$work"
rm -rf "$target"
mv -T "$work" "$target"
trap - EXIT
echo "$target"
