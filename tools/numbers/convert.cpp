#include "tools/numbers/convert.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <ctime>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/exit_codes.h"
#include "numbers/image_rows.h"
#include "tools/numbers/csv_writer.h"
#include "tools/numbers/data_files.h"
#include "tools/numbers/output_file.h"

namespace cpss::numbers_tool {
namespace {

constexpr int kDiffer = 1;

void write_image(const BuiltImage& image, const std::string& path) {
  OutputFile file(path);
  image.write([&](std::span<const std::byte> bytes) { file.write(bytes); });
  file.finish();
}

bool say_the_same(const NumberData& a, image::Value of_a, const NumberData& b, image::Value of_b) {
  std::array<std::string_view, image::kMaxRoutes> texts_a, texts_b;
  return std::ranges::equal(a.table().values().texts(of_a, texts_a),
                            b.table().values().texts(of_b, texts_b));
}

// Copies values of an image into a pool, each once.
class ValueCopy {
 public:
  ValueCopy(const Values& from, ValuePool& to) : from_(from), to_(to) {}

  image::Value operator()(image::Value value) {
    const auto [known, is_new] = copies_.try_emplace(value, image::kNoValue);
    if (is_new) {
      std::array<std::string_view, image::kMaxRoutes> texts;
      known->second = to_.add(from_.texts(value, texts));
    }
    return known->second;
  }

 private:
  const Values& from_;
  ValuePool& to_;
  std::unordered_map<image::Value, image::Value> copies_;
};

// The columns of both, those of `first` first.
std::vector<std::string> joined(std::vector<std::string> first,
                                const std::vector<std::string>& second) {
  for (const std::string& column : second)
    if (std::ranges::none_of(
            first, [&](const std::string& other) { return is_same_column(other, column); }))
      first.push_back(column);
  return first;
}

}  // namespace

int build(const Options& options) {
  const std::string& from = options.operands[0];
  LoadedNumbers numbers = load_rows(from, options);
  write_image(build_image(std::move(numbers), from, options.serial), options.output);
  return kExitOk;
}

int export_csv(const Options& options) {
  const NumberData data = load(options.operands[0], options);
  CsvWriter csv(image::columns_of(data.image()), false, print);
  const GrowingArray<NumberRow> rows = rows_of_image(data.image());
  for (const NumberRow& row : rows.items()) csv.row(row.prefix(), data.table().values(), row.value);
  csv.end();
  return kExitOk;
}

int diff(const Options& options) {
  const NumberData a = load(options.operands[0], options);
  const NumberData b = load(options.operands[1], options);
  const GrowingArray<NumberRow> rows_a = rows_of_image(a.image()),
                                rows_b = rows_of_image(b.image());
  CsvWriter csv(image::columns_of(b.image()), true, print);
  bool differ = false;
  std::span<const NumberRow> left_a = rows_a.items(), left_b = rows_b.items();
  while (!left_a.empty() || !left_b.empty()) {
    const bool in_a =
        !left_a.empty() && (left_b.empty() || left_a.front().key <= left_b.front().key);
    const bool in_b =
        !left_b.empty() && (left_a.empty() || left_b.front().key <= left_a.front().key);
    const bool changed =
        !in_a || !in_b || !say_the_same(a, left_a.front().value, b, left_b.front().value);
    if (!in_b)
      csv.removed(left_a.front().prefix());
    else if (changed)
      csv.row(left_b.front().prefix(), b.table().values(), left_b.front().value);
    differ = differ || changed;
    if (in_a) left_a = left_a.subspan(1);
    if (in_b) left_b = left_b.subspan(1);
  }
  csv.end();
  return differ ? kDiffer : kExitOk;
}

int apply(const Options& options) {
  const NumberData data = load(options.operands[0], options);
  LoadedNumbers changes =
      load_changes(options.operands[1], options, image::columns_of(data.image()));
  GrowingArray<NumberRow> old_rows = rows_of_image(data.image());
  GrowingArray<NumberRow> rows;
  ValueCopy copy(data.table().values(), changes.values);
  std::span<const NumberRow> old = old_rows.items(), changed = changes.rows.items();
  while (!old.empty() || !changed.empty()) {
    if (changed.empty() || (!old.empty() && old.front().prefix() < changed.front().prefix())) {
      rows.push_back({old.front().key, copy(old.front().value), 0});
      old = old.subspan(1);
      continue;
    }
    // All routes of a prefix that is changed are new.
    const E164 prefix = changed.front().prefix();
    if (!old.empty() && old.front().prefix() == prefix) old = old.subspan(1);
    for (; !changed.empty() && changed.front().prefix() == prefix; changed = changed.subspan(1))
      if (changed.front().value != image::kNoValue) rows.push_back(changed.front());
  }
  old_rows.release();
  changes.rows.release();
  if (rows.size() == 0 && !options.allow_empty)
    throw NumberDataError(fmt::format("{}: no row is left (--allow-empty)", options.operands[1]));
  const auto now = static_cast<std::uint64_t>(std::time(nullptr));
  const std::uint64_t next = std::max(data.about().serial, data.about().serial + 1);
  const std::uint64_t serial = options.serial.value_or(std::max(now, next));
  write_image(build_image({std::move(rows), std::move(changes.values),
                           joined(image::columns_of(data.image()), changes.columns)},
                          image::source_of(data.image()), serial),
              options.output);
  return kExitOk;
}

}  // namespace cpss::numbers_tool
