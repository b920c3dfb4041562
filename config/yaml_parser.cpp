#include "config/yaml_parser.h"

#include <algorithm>
#include <map>
#include <new>
#include <sstream>
#include <string>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "base/quote.h"

namespace cpss {
namespace {

constexpr std::size_t kDeepestSection = 4;  // sections in sections; settings use one level

// Thrown to end the parse; entries collected before stay.
struct Refusal {
  YamlError error;
};

YamlPosition position_of(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {static_cast<std::uint32_t>(mark.line) + 1, static_cast<std::uint32_t>(mark.column) + 1};
}

[[noreturn]] void refuse(const YAML::Mark& mark, std::string text) {
  throw Refusal{{position_of(mark), std::move(text)}};
}

// Turns yaml-cpp's events into entries. Every node is a key, the value of a key, an item of a list
// or the root; the innermost open collection says which.
class EntryCollector final : public YAML::EventHandler {
 public:
  EntryCollector(std::string_view text, YamlDocument& document)
      : text_(text), document_(document) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (started_) refuse(mark, "a second document, or text after the end of the first");
    started_ = true;
    last_ = mark;
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    begin_node(mark, "", anchor);
    switch (role()) {
      case Role::root:
        return;
      case Role::key:
        refuse(mark, "an empty key");
      case Role::item:
        refuse(mark, "an empty list entry; give it a value or remove it");
      case Role::value:
        add_entry(YamlKind::nothing);
    }
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse(mark, "an alias ('*'); write the value out, or quote it if it is text");
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    begin_node(mark, tag, anchor);
    switch (role()) {
      case Role::root:
        refuse(mark, "text where keys with values are expected, such as 'listen: 127.0.0.1:7700'");
      case Role::key:
        return take_key(mark, value);
      case Role::item:
        if (!open_.back().muted)
          document_.entries.back().values.push_back({value, position_of(mark)});
        return;
      case Role::value:
        if (YamlEntry* entry = add_entry(YamlKind::scalar))
          entry->values.push_back({value, position_of(mark)});
    }
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    begin_node(mark, tag, anchor);
    switch (role()) {
      case Role::root:
        refuse(mark, "a list where keys with values are expected");
      case Role::key:
        refuse(mark, "a list as a key; quote text that begins with '['");
      case Role::item:
        refuse(mark, "a list in a list; quote text that begins with '['");
      case Role::value:
        const bool muted = add_entry(YamlKind::list) == nullptr;
        open_.push_back({.is_list = true, .muted = muted});
    }
  }
  void OnSequenceEnd() override { open_.pop_back(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    begin_node(mark, tag, anchor);
    switch (role()) {
      case Role::root:
        open_.push_back({});
        return;
      case Role::key:
        refuse(mark, "a mapping as a key; quote text that begins with '{' or '?'");
      case Role::item:
        refuse(mark, "a key in a list; quote text that holds ': '");
      case Role::value:
        if (open_.size() >= kDeepestSection) refuse(mark, "sections nested too deeply");
        std::string path = open_.back().pending_path;
        const bool muted = add_entry(YamlKind::section) == nullptr;
        open_.push_back({.path = std::move(path), .muted = muted});
    }
  }
  void OnMapEnd() override { open_.pop_back(); }

  // The position of the last event: for errors that come without one.
  const YAML::Mark& last() const { return last_; }

 private:
  enum class Role { root, key, value, item };

  struct Collection {
    bool is_list = false;
    std::string path{};
    bool muted = false;       // belongs to a duplicate key: checked, but not collected
    bool value_next = false;  // the next node is the value of the pending key
    std::string pending_path{};
    YamlPosition pending_at{};
    bool pending_muted = false;
    std::map<std::string, YamlPosition, std::less<>> keys{};
  };

  Role role() const {
    if (open_.empty()) return Role::root;
    if (open_.back().is_list) return Role::item;
    return open_.back().value_next ? Role::value : Role::key;
  }

  void begin_node(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    last_ = mark;
    if (anchor != 0) refuse(mark, "an anchor ('&'); write the value without, or quote it");
    // yaml-cpp reports a quoted scalar and one with the tag `!` alike, as "!".
    const bool bare_tag = tag == "!" && character_at(mark) == '!';
    if (bare_tag || (!tag.empty() && tag != "!" && tag != "?"))
      refuse(mark, "a tag ('!'); write the value without, or quote it");
  }

  char character_at(const YAML::Mark& mark) const {
    const auto at = static_cast<std::size_t>(mark.pos);
    return mark.pos >= 0 && at < text_.size() ? text_[at] : '\0';
  }

  void take_key(const YAML::Mark& mark, const std::string& key) {
    Collection& map = open_.back();
    if (key == "<<") refuse(mark, "a merge key ('<<'); write the settings out");
    if (key.empty()) refuse(mark, "an empty key");
    if (const std::size_t dot = key.find('.'); dot != std::string::npos)
      refuse(mark, fmt::format("the key {} holds a point; write a section: {} and below it, "
                               "indented, {}",
                               in_quotes(key), in_quotes(key.substr(0, dot) + ':'),
                               in_quotes(key.substr(dot + 1) + ':')));
    map.value_next = true;
    map.pending_path = map.path.empty() ? key : fmt::format("{}.{}", map.path, key);
    map.pending_at = position_of(mark);
    const auto [first, fresh] = map.keys.emplace(key, map.pending_at);
    map.pending_muted = map.muted || !fresh;
    if (!fresh)
      document_.errors.push_back(
          {map.pending_at,
           fmt::format("the key {} is a duplicate; the first is at line {}, column {}",
                       in_quotes(map.pending_path), first->second.line, first->second.column)});
  }

  // Adds the entry of the pending key, which is then done. Null: it must not be collected.
  YamlEntry* add_entry(YamlKind kind) {
    Collection& map = open_.back();
    map.value_next = false;
    if (map.pending_muted) return nullptr;
    document_.entries.push_back({map.pending_path, map.pending_at, kind, {}});
    return &document_.entries.back();
  }

  std::string_view text_;
  YamlDocument& document_;
  bool started_ = false;
  YAML::Mark last_;
  std::vector<Collection> open_;
};

std::string not_yaml(const std::string& why) {
  return fmt::format("not valid YAML: {}; check indentation, brackets and quotes", why);
}

// The position behind the last character that is not white space.
YamlPosition end_of(std::string_view text) {
  text = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
  const auto lines = std::ranges::count(text, '\n');
  const std::size_t last_line = text.rfind('\n') + 1;  // 0 where there is none
  return {static_cast<std::uint32_t>(lines) + 1,
          static_cast<std::uint32_t>(text.size() - last_line) + 1};
}

}  // namespace

YamlDocument parse_yaml(std::string_view text) {
  YamlDocument document;
  EntryCollector collector(text, document);
  try {
    // yaml-cpp 0.7 overlooks a quote that is never closed if the file ends with it or with white
    // space. Inside such a quote the appended comment is text; elsewhere it has no meaning.
    std::istringstream stream{std::string(text) + "\n#"};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(collector)) {
    }
  } catch (const Refusal& refusal) {
    document.errors.push_back(refusal.error);
  } catch (const YAML::Exception& error) {
    const YAML::Mark& mark = error.mark.is_null() ? collector.last() : error.mark;
    document.errors.push_back({position_of(mark), not_yaml(error.msg)});
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    document.errors.push_back({position_of(collector.last()), not_yaml(error.what())});
  }
  // An error about something missing at the end points there, not to a line that does not exist.
  const YamlPosition end = end_of(text);
  for (YamlError& error : document.errors)
    if (error.at > end) error.at = end;
  return document;
}

}  // namespace cpss
