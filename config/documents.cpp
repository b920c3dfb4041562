#include "config/documents.h"

#include <string_view>

#include <fmt/format.h>

#include "config/help.h"
#include "config/table.h"
#include "config/values.h"

namespace cpss {
namespace {

constexpr std::size_t kYamlWidth = 96;

struct YamlKey {
  std::string_view section;  // empty: at the top
  std::string_view key;
};

YamlKey split(std::string_view path) {
  const std::size_t dot = path.find('.');
  if (dot == std::string_view::npos) return {"", path};
  return {path.substr(0, dot), path.substr(dot + 1)};
}

// Puts `prefix` before every line of `lines`, each of which ends with a line end.
std::string prefixed(std::string_view lines, std::string_view prefix) {
  std::string out;
  while (!lines.empty()) {
    const std::size_t length = lines.find('\n') + 1;
    out += prefix;
    out += lines.substr(0, length);
    lines.remove_prefix(length);
  }
  return out;
}

// Calls section(name) at each section's begin and setting(row, indentation, key) for each setting
// that YAML has, in the table's order.
template <class OnSection, class OnSetting>
void walk_yaml(OnSection&& section, OnSetting&& setting) {
  std::string_view current;
  for (const SettingInfo& row : kSettingTable) {
    if (row.yaml_path.empty()) continue;
    const YamlKey at = split(row.yaml_path);
    if (!at.section.empty() && at.section != current) section(at.section);
    current = at.section;
    setting(row, at.section.empty() ? std::string_view() : "  ", at.key);
  }
}

std::string default_words(const SettingInfo& row) {
  return row.default_text.empty() ? fmt::format("{} (empty)", row.empty_means)
                                  : fmt::format("`{}`", row.default_text);
}

constexpr std::string_view kSampleHead =
    R"(# Settings of cpssd, all at their defaults: take the '#' away from a line to change it.
# Use: cpssd --config FILE. Environment variables and options go before this file.
# Numbers are decimal; a list is written as here or as one text: "a,b". Generated.
)";

constexpr std::string_view kPageHead =
    R"(# Configuration

Generated from the table of settings (`config/table.h`); the tests say so when it is out of date.

Every setting can be given as an option of `cpssd`, as an environment variable or in a YAML file:

```
cpssd --qslots 4096
CPSS_QSLOTS=4096 cpssd
cpssd --config cpssd.yaml        # queue: {slots: 4096}
```

An option goes before a variable, a variable before the file, the file before the default.

| command | what it does |
|---|---|
| `cpssd --print-config` | prints each value and where it came from, as YAML |
| `cpssd --check-config` | checks settings and data as a start does, prints all errors of the settings or the first thing that this host lacks for them; takes none of the ports, starts nothing |
| `cpssd --sample-config` | prints a file with every setting, commented out ([cpssd.yaml](cpssd.yaml)) |

)";

constexpr std::string_view kPageTail = R"(## How values are written

* **Numbers** are decimal and without sign: `010` is ten, `0x10` is an error.
* **Bytes** may have `k` (or `K`), `M` or `G`, or `KiB`, `MiB` or `GiB` behind them, with or without
  a blank before. All of them are powers of 1024.
* **Seconds** may have a fraction: `0.5`.
* **Switches** are `true` or `false`; as variable or option also `1` or `0`.
* **Lists** are separated by commas. In YAML they may also be sequences: `[a, b]`. In a sequence put
  quotes around what begins with `[` or `:`, as IPv6 addresses do.
* **Listen addresses** are `a.b.c.d:port` and `[IPv6]:port`. None may be listed twice, or
  beside the wildcard address of its family with the same port, except with port 0, of which each is
  another free port. A link-local IPv6 address needs its interface, by name or number:
  `[fe80::1%eth0]:7700`. So does one that replies go to.
* **Prefixes** are `10.0.0.0/8`, `2001:db8::/32`; an address without length is that address alone.
  Bits beyond the length must be 0. With an interface, `fe80::%eth0/64` and `fe80::1%eth0` are
  those on its link only; the interface has to be there when the server starts.
* **CPU lists** are numbers and ranges: `0,2-3`.
* **File names** that are relative start at the directory in which `cpssd` is started.

An empty value is an error, except where the table says what it stands for: there it sets the
setting back to that, whatever a source below it says.

## The YAML file

UTF-8, up to 1 MiB; a byte order mark, an empty file and empty sections are fine. Tags, anchors,
aliases, merge keys, duplicate keys, tabs in the indentation and further documents are errors. The
file is parsed in a child process whose memory and time are limited.

## Variables

Every variable that begins with `CPSS_` must be one of those above: anything else is an error, so
that a typo does not go unnoticed. Only what container platforms inject for a service called `cpss`
or `cpss-...` is ignored: `CPSS_SERVICE_HOST`, `CPSS_SERVICE_PORT`, `CPSS_SERVICE_PORT_...`,
`CPSS_PORT` (with a URL as value), `CPSS_PORT_7700_UDP` and the same with `_ADDR`, `_PORT`,
`_PORT_START`, `_PORT_END` or `_PROTO` behind it, `CPSS_NAME` (with a path as value) and
`CPSS_ENV_...`.

## Errors

All errors are printed at once, one line each. A line names the place (`file:line:column`, the
variable or the option), the value, what is allowed and, for unknown names, the nearest known one. A
bad value is an error even where another source overrides it. A file may also be a pipe; one that
gives not a byte for 30 s is an error.

| exit code | meaning |
|---|---|
| 64 | unknown or repeated option, missing argument, argument that is no option |
| 78 | anything else that is wrong with settings; 64 goes first where both apply |

Where the settings are good, and the start fails over what they ask for, one line says so, and the exit
code is another one: 66 for the data, 69 for an address or interface that is not there now, 70 for more
memory or more of something limited than there is, 73 for the stats region, 77 for a right that is
missing ([all of them](../README.md#exit-codes)).
)";

std::string table_row(const SettingInfo& row) {
  std::string text = fmt::format("{}.", row.help);
  if (!row.empty_means.empty() && !row.default_text.empty())
    text += fmt::format(" Empty: {}.", row.empty_means);
  if (const std::string models = used_by_text(row); !models.empty())
    text += fmt::format(" Models: {}.", models);
  return fmt::format("| {} | `{}` | `--{}` | {} | {} | {} |\n",
                     row.yaml_path.empty() ? "-" : fmt::format("`{}`", row.yaml_path), row.variable,
                     row.option, default_words(row), allowed_text(row, Notation::yaml), text);
}

}  // namespace

std::string sample_yaml() {
  const Settings defaults = default_settings();
  std::string text(kSampleHead);
  bool first_in_section = false;
  walk_yaml(
      [&](std::string_view section) {
        text += fmt::format("\n{}:\n", section);
        first_in_section = true;
      },
      [&](const SettingInfo& row, std::string_view indentation, std::string_view key) {
        if (!first_in_section) text += '\n';
        first_in_section = false;
        const std::string mark = fmt::format("{}# ", indentation);
        const std::size_t width = kYamlWidth - mark.size();
        text += prefixed(wrapped(fmt::format("{}.", row.help), 0, width), mark);
        if (!is_text(row))
          text += prefixed(
              wrapped(fmt::format("Allowed: {}.", allowed_text(row, Notation::yaml)), 0, width),
              mark);
        if (const std::string models = used_by_text(row); !models.empty())
          text += prefixed(wrapped(fmt::format("Models: {}.", models), 0, width), mark);
        if (!row.empty_means.empty())
          text += prefixed(wrapped(fmt::format("Empty: {}.", row.empty_means), 0, width), mark);
        text += fmt::format("{}#{}: {}\n", indentation, key,
                            value_yaml(row, defaults).value_or("\"\""));
      });
  return text;
}

std::string reference_page() {
  std::string text(kPageHead);
  std::string_view group;
  for (const SettingInfo& row : kSettingTable) {
    if (row.group != group) {
      text += fmt::format("{}## {}\n\n", group.empty() ? "" : "\n", row.group);
      text +=
          "| YAML | variable | option | default | allowed | meaning |\n|---|---|---|---|---|---|\n";
    }
    group = row.group;
    text += table_row(row);
  }
  return text + '\n' + std::string(kPageTail);
}

std::string print_config(const LoadResult& loaded) {
  std::string text =
      fmt::format("# config file: {}  # {}\n", loaded.settings.config_file.value_or("none"),
                  loaded.origin(Setting::config_file).text());
  walk_yaml([&](std::string_view section) { text += fmt::format("{}:\n", section); },
            [&](const SettingInfo& row, std::string_view indentation, std::string_view key) {
              const std::optional<std::string> value = value_yaml(row, loaded.settings);
              const std::string line =
                  fmt::format("{}{}: {}", indentation, key, value.value_or("\"\""));
              const std::string meaning =
                  value && *value != "[]" ? "" : fmt::format(" ({})", row.empty_means);
              text += fmt::format("{:<40}  # {}{}\n", line, loaded.origin(row.id).text(), meaning);
            });
  return text;
}

}  // namespace cpss
