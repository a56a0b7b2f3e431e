#!/usr/bin/env bash
# Builds kube-apiserver, kube-controller-manager and etcd from the modules pinned in go.mod.
#
#   deploy/control-plane/build.sh            prints the folder that holds the three binaries
#
# The folder is $COALMINE_CONTROL_PLANE_CACHE, by default ~/.cache/coalmine/control-plane, plus the
# Kubernetes version. A folder that is already complete is reused; an interrupted build leaves
# nothing behind, because the binaries are moved into place in one rename. Needs Go only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

version=$(awk '$1 == "k8s.io/kubernetes" {print $2}' go.mod)
cache=${COALMINE_CONTROL_PLANE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/coalmine/control-plane}
target=$cache/$version

if [[ -x $target/kube-apiserver && -x $target/kube-controller-manager && -x $target/etcd ]]; then
  echo "$target"
  exit 0
fi
if ! command -v go >/dev/null; then
  echo "building the control plane needs Go (the version is in deploy/control-plane/go.mod)" >&2
  exit 1
fi

IFS=. read -r major minor _ <<<"${version#v}"
package=k8s.io/component-base/version
# Without these a built-from-module API server answers /version with v0.0.0-master.
stamp="-X $package.gitVersion=$version -X $package.gitMajor=$major -X $package.gitMinor=$minor"
stamp="$stamp -X $package.gitTreeState=clean -X $package.buildDate=1970-01-01T00:00:00Z"

mkdir -p "$cache"
work=$(mktemp -d "$cache/.build.XXXXXX")
trap 'rm -rf "$work"' EXIT
export CGO_ENABLED=0

build() { # name, main package
  echo "building $1" >&2
  go build -mod=readonly -trimpath -buildvcs=false -ldflags "-s -w $stamp" -o "$work/$1" "$2"
}
build etcd go.etcd.io/etcd/server/v3
build kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver
build kube-controller-manager k8s.io/kubernetes/cmd/kube-controller-manager

chmod 755 "$work"
rm -rf "$target"
mv -T "$work" "$target"
trap - EXIT
echo "$target"
