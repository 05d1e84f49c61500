//! The reference of the config, written from the tables: `docs/config.md` is this text.

use std::fmt::Write as _;

use super::diagnostic::Finding;
use super::fields::{Field, ROOT};
use crate::provider::table::PRESETS;

const HEAD: &str = "# The config

<!-- Generated: `aimux config reference > docs/config.md`. The tables stand in src/config/fields.rs and diagnostic.rs. -->

One YAML file, `$XDG_CONFIG_HOME/aimux/config.yaml` (else `~/.config/aimux/config.yaml`), or the one that `--config` or
`AIMUX_CONFIG` names; never one in the working folder by itself. JSON is YAML too. `aimux config validate` finds every mistake in
one run and exits 78 when there is one ([docs/ci.md](ci.md) shows it in CI); `aimux serve` runs the same check before it listens. Without any file, one is made
from the key files and the providers' usual variables.

```yaml
version: 1
providers:
  anthropic: {}                          # key: the file keys/anthropic.age, else ANTHROPIC_API_KEY
  local: { dialect: openai-chat, base_url: \"http://127.0.0.1:11434/v1\" }
models:
  \"claude-*haiku*\": local/qwen3:8b
  \"claude-*\": [anthropic/claude-opus-4-8, local/qwen3:8b]
```

- `aimux config schema` prints a JSON Schema for editors; the validator is stricter than it.
- Unknown keys, duplicate keys and wrong types are errors. Tags and several documents are refused; a file has 1 MiB at most
  and must not be writable by everybody.
- `${NAME}` in a value stands for an environment variable; one that is not set is an error. `$${` is a literal `${`.
- `AIMUX_SERVER__LISTEN` overrides `server.listen`, and so on for every field but `version`;
  `AIMUX_BREAKER` stands for a whole section. The value is read as YAML. A flag of the command line comes before the
  environment, that before the file. An `AIMUX_` variable that nothing reads is a warning. Names of providers and models are
  written with `_` for whatever no variable may have, and a star as `STAR`: `AIMUX_MODELS__CLAUDE_OPUS_STAR` is the entry
  `claude-opus-*`. A rule and a policy go by their names as well, an item of any list by its place, from 0 on:
  `AIMUX_ROUTES__LONG__USE`, `AIMUX_TESTS__0__EXPECT`, `AIMUX_PROVIDERS__ZAI__KEYS__1`. An entry that is not in the file is not made
  so, and what two entries could mean, neither is: a warning says so. `AIMUX_PROVIDERS` or `AIMUX_MODELS` takes all of them.
- `aimux config show --resolved --origin` prints every field with its value and where that came from, secrets masked.
- `aimux config backup` keeps the file byte for byte and the key files as they are encrypted in `~/.config/aimux/backups/`, 0700, the last
  ten; `aimux config restore` goes back to one of them once it has passed this check, and saves what it replaces. Keys go back with
  `--keys` only, and only where the present identity opens them: after `aimux keys rotate --identity` older backups need the former
  one. The identity is in no backup.
- A key never stands in the file. `key: NAME` is the file `keys/NAME.age`, made by `aimux keys add NAME`; `{ env: NAME }` is a
  variable. `{ cmd: [op, read, \"op://vault/zai/key\"] }` is the first line that a program prints: it is found by its absolute
  path or in `PATH`, run without a shell and without the providers' variables, and has 10 s and 16 KiB. `serve`, a reload and
  `keys test` run it; `config validate` never does.
- A name under `models` may have stars. An exact name comes first, then the name with the most literal characters, then the
  file's order. A target without a provider names another entry.
- Plain `http://` to another machine needs `plain_http: true`; listening off loopback needs `tls: terminated`.

";

/// The whole page, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut out = HEAD.to_owned();
    section(&mut out, "The file", ROOT, "");
    out.push_str("## Known providers\n\n| preset | provider | variables | main model | fast model |\n| --- | --- | --- | --- | --- |\n");
    for preset in PRESETS {
        let variables: Vec<String> = preset.env.iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} | {} |",
            preset.name,
            preset.title,
            variables.join(", "),
            code(preset.main),
            code(preset.fast)
        );
    }
    out.push_str(
        "\n## Findings\n\nWarnings leave the exit code at 0, but with `--strict`. A comment `# aimux: allow E0136` allows a warning: on a line of its own
for the whole file, at the end of a line for that line. Errors cannot be allowed.\n\n| code | | what | why | what to do |\n| --- | --- | --- | --- | --- |\n",
    );
    for finding in Finding::ALL {
        let row = finding.row();
        let _ = writeln!(
            out,
            "| [AIMUX-{0}](codes/{0}.md) | {1} | {2} | {3} | {4} |",
            row.id,
            row.severity.name(),
            row.title,
            row.cause,
            row.action
        );
    }
    out
}

fn section(out: &mut String, title: &str, fields: &'static [Field], path: &str) {
    let _ = write!(out, "## {title}\n\n| field | takes | default | |\n| --- | --- | --- | --- |\n");
    for field in fields {
        let _ = writeln!(out, "| `{}` | {} | {} | {} |", field.name, field.kind.describe(), field.default, field.doc);
    }
    out.push('\n');
    for field in fields {
        let Some(inner) = field.kind.fields() else { continue };
        let name = if path.is_empty() { field.name.to_owned() } else { format!("{path}.{}", field.name) };
        let named =
            matches!(field.kind, super::fields::Kind::Named(_) | super::fields::Kind::Models(_) | super::fields::Kind::ListOrNamed(..));
        let name = match field.kind {
            super::fields::Kind::Items(_) => format!("{name}[]"),
            _ if named => format!("{name}.NAME"),
            _ => name,
        };
        section(out, &format!("`{name}`"), inner, &name);
    }
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}
