# Functions that the scripts share; sourced by them, after `set -euo pipefail`.
# shellcheck shell=bash

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=${0##*/}

# Colours only where a person watches (https://no-color.org).
if [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
  bold=$'\e[1m' plain=$'\e[0m'
else
  bold='' plain=''
fi

# What comes next, with the minutes and seconds since the script began.
step() {
  printf '\n%s[%d:%02d] %s%s\n' "$bold" $((SECONDS / 60)) $((SECONDS % 60)) "$*" "$plain"
}

die() {
  printf '%s: %s\n' "$program" "$*" >&2
  exit 1
}

# A wrong option or argument: exit code 64, as the programs have it.
usage_error() {
  printf '%s: %s; try --help\n' "$program" "$*" >&2
  exit 64
}

# The comment at the head of the calling script is its help.
print_help() {
  sed -n '2,${/^#/!q; s/^# \{0,1\}//p}' "$0"
}

# 2020222 as 2,020,222.
grouped() {
  sed -E ':again; s/^([0-9]+)([0-9]{3})/\1,\2/; t again' <<<"$1"
}

# configure PRESET: once.
configure() {
  command -v cmake >/dev/null || die "cmake is missing: run scripts/setup"
  [[ -f $project/build/$1/build.ninja ]] || (cd "$project" && cmake --preset "$1")
}

# build PRESET [TARGET ...]: builds what changed.
build() {
  local preset=$1
  shift
  configure "$preset"
  (cd "$project" && cmake --build --preset "$preset" ${1:+--target "$@"})
}
