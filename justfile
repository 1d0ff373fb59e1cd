# What a contributor runs. It needs uv and nothing else:
#
#     uvx --from rust-just just check

# List the recipes.
[private]
default:
    @"{{ just_executable() }}" --list --justfile "{{ justfile() }}"

# Check formatting, lint, types, the arrows between the rooms, and the lock file.
check:
    uv lock --check
    uv run ruff format --check
    uv run ruff check
    uv run mypy
    uv run lint-imports

# Run the tests: all of them, or those that you name.
test *arguments:
    uv run pytest {{ arguments }}

# Run a benchmark: tap, target or receiver, with its options.
bench name="tap" *arguments:
    uv run python benchmarks/{{ name }}.py {{ arguments }}

# Run the demo: a made-up conference, read into files and carried into the next event.
demo:
    uvx meltano@4.4.1 run demo

# Run all that CI runs, on a bare machine too.
ci:
    bash .ci/run

# Check before each commit, by .pre-commit-config.yaml.
hooks:
    uvx pre-commit install
