"""The pages of `specc explain` for what can be wrong with the text of a spec."""

from __future__ import annotations

from specc.diagnostics import explained

FILE_UNREADABLE = explained(
    "file-unreadable",
    """The spec, or a file that it extends, could not be read.

    Why: specc compiles only what it has read whole.
    Example: `specc check spec.yml` where the file is called `spec.yaml`.
    Fix: check the path and its permissions. Relative `extends` start at the folder of the extending file.
    """,
)
FILE_TOO_LARGE = explained(
    "file-too-large",
    """A spec is larger than 1 MiB.

    Why: specs are written by people and take a few kilobytes; a larger file is something else.
    Example: passing a training corpus instead of the spec that names it.
    Fix: pass the spec; data belongs into files that `data.sources` points to.
    """,
)
NOT_UTF8 = explained(
    "not-utf8",
    """The file is not UTF-8 text.

    Why: any other encoding would be guessed, and guesses go wrong silently.
    Example: a file saved as Latin-1 or UTF-16 by an editor.
    Fix: save the file as UTF-8; a byte order mark is accepted.
    """,
)
CONTROL_CHARACTER = explained(
    "control-character",
    """The file contains a character that YAML does not allow in text: NUL, an escape, an exotic line break.

    Why: such characters are invisible, and terminals may obey them.
    Example: a colour code pasted from a terminal.
    Fix: delete it, or write it as an escape in double quotes, such as `"\\x1b"`.
    """,
)
YAML_SYNTAX = explained(
    "yaml-syntax",
    """The text is not YAML 1.2.

    Why: nothing after the error can be read with certainty, so it is the only one reported for its file.
    Example: `path: s3: //bucket` has two `: ` on one line.
    Fix: put text with `: ` or ` #` in it, or with `@*&!%{[` at its start, into quotes; close brackets and quotes.
    """,
)
YAML_TAB = explained(
    "yaml-tab",
    """A line is indented with a tab.

    Why: YAML forbids tabs in indentation, since editors disagree on their width.
    Example: a tab before `num_layers: 12`.
    Fix: indent with spaces.
    """,
)
YAML_VERSION = explained(
    "yaml-version",
    """The file declares another version of YAML than 1.2.

    Why: versions disagree on what `no`, `010` or `12:30` mean; specs are YAML 1.2.
    Example: `%YAML 1.1` on the first line.
    Fix: remove the directive.
    """,
)
YAML_TOO_DEEP = explained(
    "yaml-too-deep",
    """Lists and mappings are nested more than 64 deep.

    Why: no key of a spec is nested that deeply; such a file is damaged or hostile.
    Example: `[[[[...]]]]`.
    Fix: check the brackets and the indentation.
    """,
)
EMPTY_FILE = explained(
    "empty-file",
    """The file holds nothing but comments and white space.

    Why: a spec needs at least `specc`, `name` and the sizes of the model.
    Example: a file that was created and never filled.
    Fix: `specc init` writes a commented spec to start from.
    """,
)
NOT_A_MAPPING = explained(
    "not-a-mapping",
    """The file is a list or a single value.

    Why: a spec is a mapping of keys to values.
    Example: `- specc: 1`.
    Fix: write `key: value` lines at the left margin.
    """,
)
SEVERAL_DOCUMENTS = explained(
    "several-documents",
    """The file holds more than one YAML document.

    Why: one spec describes one model; a second document would be ignored.
    Example: two specs joined by `---`.
    Fix: put each document into its own file.
    """,
)
DUPLICATE_KEY = explained(
    "duplicate-key",
    """A mapping has the same key twice.

    Why: most YAML readers let the last one win silently; here neither wins.
    Example: `num_layers: 12` and, twenty lines later, `num_layers: 24`.
    Fix: delete one of them.
    """,
)
KEY_NOT_A_STRING = explained(
    "key-not-a-string",
    """A key is a number, a boolean, null, a list or a mapping.

    Why: all keys of a spec are names.
    Example: `1: x`, or `{{ size }}: 1`, which YAML reads as a mapping used as a key.
    Fix: write the name of the key; quote it if the name really looks like a number.
    """,
)
ANCHOR = explained(
    "anchor",
    """The file uses an anchor, an alias or a merge key: `&name`, `*name`, `<<`.

    Why: YAML 1.2 has no merge keys, and aliases of aliases expand without limit.
    Example: `<<: *defaults`.
    Fix: put what is shared into a file of its own and name it in `extends`; `extends` merges key by key.
    """,
)
TAG = explained(
    "tag",
    """A value has a YAML tag, such as `!!python/object` or `!env`.

    Why: tags ask the reader to build something else than plain data; a spec is plain data.
    Example: `path: !env DATA`.
    Fix: remove the tag; `${env:DATA}` reads the environment; quotes make a string of a number.
    """,
)
NUMBER_TOO_LARGE = explained(
    "number-too-large",
    """A number has more than 40 digits or lies beyond the range of 64-bit floats.

    Why: no quantity of a spec is that large.
    Example: `tokens: 1e999`.
    Fix: check the number; `260b` is short for 260 billion.
    """,
)
EXTENDS_NOT_FOUND = explained(
    "extends-not-found",
    """`extends` names a file or preset that does not exist.

    Why: the values it would bring are unknown.
    Example: `extends: presets/lama`.
    Fix: `presets/NAME` is a preset that comes with specc; anything else is a path relative to the extending file.
    """,
)
EXTENDS_CYCLE = explained(
    "extends-cycle",
    """A file extends itself, directly or through others.

    Why: there is no order in which its values could be merged.
    Example: `a.yaml` extends `b.yaml`, which extends `a.yaml`.
    Fix: move what both share into a third file.
    """,
)
BAD_EXTENDS = explained(
    "bad-extends",
    """`extends` is neither a path nor a list of paths.

    Why: it names the files that this one adds to; later files win, and the file itself wins over all.
    Example: `extends: {preset: llama}`.
    Fix: `extends: presets/llama`, or `extends: [presets/llama, ./sizes.yaml]`.
    """,
)
ENVIRONMENT_UNSET = explained(
    "environment-unset",
    """`${env:NAME}` reads a variable that is not set, or is not text.

    Why: an empty value in its place would be a guess.
    Example: `path: ${env:DATA}/web` without `DATA` in the environment.
    Fix: set the variable; `$${` writes a literal `${`.
    """,
)
BAD_ENVIRONMENT_REFERENCE = explained(
    "bad-environment-reference",
    """`${env:` is not followed by a variable's name and `}`.

    Why: it looks like a reference to the environment and is none.
    Example: `${env:}` or `${env:DATA`.
    Fix: write `${env:NAME}`; `$${` writes a literal `${`.
    """,
)
BAD_OVERRIDE = explained(
    "bad-override",
    """A `--set` does not have the form `a.b.c=value`, or its path leads nowhere.

    Why: a path that runs through a single value, or past the end of a list, has no place to put the value.
    Example: `--set model.num_layers.x=1`, `--set data.sources.7.path=x`.
    Fix: name keys separated by dots, and items of lists by their index from 0; replace a single value as a whole.
    """,
)
UNKNOWN_KEY = explained(
    "unknown-key",
    """A key is not known where it stands.

    Why: a key that nothing reads would be a setting that silently has no effect.
    Example: `rope_tetha: 500000`.
    Fix: correct the name, or move the key to the section that has it.
    """,
)
UNKNOWN_VALUE = explained(
    "unknown-value",
    """A value is none of those that the key can take.

    Why: every choice is a variant that specc knows how to emit.
    Example: `attention: {kind: gqqa}`.
    Fix: take one of the listed values.
    """,
)
WRONG_TYPE = explained(
    "wrong-type",
    """A value has another type than its key.

    Why: nothing is converted silently: the string `"12"` is not the number 12.
    Example: `num_layers: twelve`. In YAML 1.2 `no`, `on` and `1_000` are strings.
    Fix: write a value of the type that the message names.
    """,
)
OUT_OF_RANGE = explained(
    "out-of-range",
    """A value has the right type and lies outside its limits.

    Why: no model or run exists with such a value.
    Example: `num_layers: 0`.
    Fix: choose a value within the limits.
    """,
)
BAD_UNIT = explained(
    "bad-unit",
    """A number has a suffix that its key does not take, or cannot be read.

    Why: `80GiB` is no number of tokens, and `400` without a unit could be bits or bytes.
    Example: `tokens: 80GiB`.
    Fix: counts take `k M b t Ki Mi Gi`, sizes `MB GB MiB GiB`, times `ms s m h d`, bandwidths `Gb/s GB/s TB/s`.
    """,
)
MISSING_KEY = explained(
    "missing-key",
    """A key without a default is absent.

    Why: it is a choice that only the author of the model can make.
    Example: a `model` without `num_layers`.
    Fix: add the key.
    """,
)
NOT_BUILT = explained(
    "not-built",
    """The spec language has this section or value, and this version of specc cannot do it yet.

    Why: it is refused whole, rather than read and ignored.
    Example: `attention: {kind: mla}` in a version that emits mha, gqa and mqa.
    Fix: remove it, choose a value that is built, or use a newer specc.
    """,
)
TOO_MANY_PROBLEMS = explained(
    "too-many-problems",
    """The spec has more than 1000 problems; the others are not listed.

    Why: such a file is most likely no spec.
    Example: a large `config.json` passed as a spec.
    Fix: check that the file is the one you meant; `specc import` reads a Hugging Face folder.
    """,
)
BAD_NAME = explained(
    "bad-name",
    """`name` cannot be the name of a project and its Python package.

    Why: the package must be importable and must not hide a module that its own code imports.
    Example: `name: torch`, `name: ../up`, `name: class`.
    Fix: lower-case letters, digits and `-`, a letter first, at most 63 characters, and no keyword or known module.
    """,
)
