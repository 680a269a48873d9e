# The checks, one recipe each. `.ci/run` installs the tools into the clone and calls `check`.
# By hand: `just check`, or any recipe alone. `cargo test` and `cargo run -- demo` need nothing but Rust and a C compiler.

set shell := ["bash", "-euo", "pipefail", "-c"]

# Tools of the clone come before those of the machine, so that both check with the same versions.
export PATH := justfile_directory() / "target/tools/bin:" + justfile_directory() / "node_modules/.bin:" + env("PATH")

# The contract that last landed: an image of `proto/`, written by `just proto-landed`.
landed := ".ci/proto-landed.binpb"

# Lists the recipes.
default:
    @just --list --unsorted

# Everything that must hold before a change lands. The tests come last: they are what one wants to see last.
check: fmt clippy deny proto-lint proto-breaking doc demo test

# Source is formatted.
fmt:
    cargo fmt --check

# No lint fires, in tests and benches either; this also type-checks the benches.
clippy:
    cargo clippy --all-targets --locked -- -D warnings

# Dependencies: banned crates and version floors, licences, sources.
deny:
    cargo deny --locked --workspace check --hide-inclusion-graph bans licenses sources

# Known vulnerabilities of the dependencies. Fetches the advisory database, so it is not part of `check`.
advisories:
    cargo deny --locked --workspace check --hide-inclusion-graph advisories

# The protos keep the naming and commenting rules of `buf.yaml`.
proto-lint:
    buf lint

# No change of the protos breaks a client that was built against the contract that last landed. Needs no Git history.
proto-breaking:
    buf breaking --against {{ landed }}

# Takes the protos of a Git ref as the contract that landed: one that clients are built against from now on.
proto-landed ref="main":
    buf build ".git#ref={{ ref }}" --exclude-source-info --output {{ landed }}

# The documentation builds without a warning: for readers of the API, and for readers of the code.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked --document-private-items

# The help page's example through the real API, one JSON object a step; fails unless every step came out as told.
demo:
    cargo run --locked -- demo --once --json

# All tests, of the example as well. Those with PostgreSQL start a server of their own where its programs are installed, or use
# TEST_POSTGRES_URL (a superuser's); without either they say once that they are left out. So do those with a browser without Chromium.
test:
    cargo test --locked

# The property tests with many more sequences than `test` plays, and the faults many more times: hours, so it is not part
# of `check`.
soak sequences="100000": soak-faults
    CONCENTER_SEQUENCES={{ sequences }} cargo test --locked --test model -- --nocapture

# The faults that are left to chance, many more times than in `test`: a quarter of an hour.
soak-faults:
    CONCENTER_CANCELS=2000 CONCENTER_KILLS=200 CONCENTER_OUTAGES=20 CONCENTER_SCHEDULES=1000 CONCENTER_ROTATIONS=60 \
        cargo test --locked --test faults

# Measurements, in the release profile: see docs/measuring.md. On a quiet machine only, so it is not part of `check`.
bench:
    cargo bench --locked
